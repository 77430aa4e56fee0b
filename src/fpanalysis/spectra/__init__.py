"""Numbers of matrices: what eigenvalues say about stability and time."""
