"""Systems whose every fixed point is known from elsewhere, how it is known, and the judge of a result."""
