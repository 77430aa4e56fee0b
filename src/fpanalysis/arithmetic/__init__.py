"""What a function of the state evaluates to in other arithmetics than JAX's float64.

The function is read as JAX traces it: `Evaluator.rounding_floor` bounds what rounding does to its values,
`Evaluator.exact` gives them and their derivatives as the formula has them, without rounding;
`Evaluator.narrowest_float`, `may_have_kinks` and `has_callback` are read without evaluating anything.
"""

from fpanalysis.arithmetic._evaluator import Evaluator, Exact, has_callback, may_have_kinks, narrowest_float

__all__ = ["Evaluator", "Exact", "has_callback", "may_have_kinks", "narrowest_float"]
