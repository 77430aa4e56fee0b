"""Trained weights as models, and as arrays in files."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from fpanalysis.control.rollout import Model
from fpanalysis.training.build import model_of
from fpanalysis.training.folder import Arrays
from fpanalysis.training.step import split_model
from fpanalysis.training.sweep import Member


def chosen_weights(checkpoints: Sequence[Arrays], choice: Sequence[int]) -> Arrays:
    """Return for every network of a group the weights of one of its checkpoints.

    Args:
        checkpoints: stacked weights by name, the networks along the first axis.
        choice: index of the checkpoint for every network.
    """
    return {
        name: np.stack([checkpoints[index][name][row] for row, index in enumerate(choice)])
        for name in checkpoints[0]
    }


def models_of(members: Sequence[Member], weights: Arrays) -> list[Model]:
    """Return the models of a group of networks.

    Args:
        members: of the group.
        weights: stacked, by the path of the array within the model.

    Raises:
        ValueError: the weights do not fit the configuration.
    """
    return [
        _model(member, {name: rows[row] for name, rows in weights.items()})
        for row, member in enumerate(members)
    ]


def _model(member: Member, weights: Arrays) -> Model:
    shapes, frozen = split_model(eqx.filter_eval_shape(model_of, member.config, jax.random.key(0)))
    paths, treedef = jax.tree_util.tree_flatten_with_path(shapes)
    expected = {jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in paths}
    found = {name: array.shape for name, array in weights.items()}
    if found != expected:
        raise ValueError(f"weights: expected the configured model's arrays {expected}, got {found}")
    return eqx.combine(
        jax.tree_util.tree_unflatten(treedef, [jnp.asarray(weights[name]) for name in expected]), frozen
    )
