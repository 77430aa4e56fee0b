"""A readout with a layer norm before it: `W norm(h) + b`."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from fpanalysis.load._shells import linear_shell


class NormedLinear(eqx.Module):
    """A layer norm and a linear layer, as one readout."""

    norm: eqx.nn.LayerNorm
    linear: eqx.nn.Linear

    @property
    def out_features(self) -> int | str:
        """Number of outputs."""
        return self.linear.out_features

    def __call__(self, hidden: Float[Array, " hidden"]) -> Array:
        """Return the output of hidden units."""
        return self.linear(self.norm(hidden))


def norm_shell(size: int, eps: float, weight: bool, bias: bool, dtype: str) -> eqx.nn.LayerNorm:
    """Return an `equinox.nn.LayerNorm` with `jax.ShapeDtypeStruct`s in place of its arrays."""
    return eqx.filter_eval_shape(eqx.nn.LayerNorm, size, eps, weight, bias, jnp.dtype(dtype))


def normed_header(readout: NormedLinear, linear: dict[str, Any]) -> dict[str, Any]:
    """Return what describes a readout with a norm; `linear` is what describes its linear layer."""
    norm = readout.norm
    about = {"size": norm.shape[0], "eps": norm.eps, "weight": norm.use_weight, "bias": norm.use_bias}
    return {**linear, "norm": {**about, "dtype": linear["dtype"]}}


def readout_shell(described: dict[str, Any]) -> eqx.nn.Linear | NormedLinear:
    """Return a readout without its arrays; files without norms have no key for them."""
    linear = linear_shell(**{name: value for name, value in described.items() if name != "norm"})
    return NormedLinear(norm_shell(**described["norm"]), linear) if "norm" in described else linear
