"""PyTree states as flat vectors, with a name for every entry."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree


@dataclass(frozen=True)
class Layout:
    """How a PyTree of arrays lies in one flat vector.

    `names` holds one name per entry of the vector, such as `hidden[3]`. Instances are hashable, so that
    they can be static fields of Equinox modules.
    """

    treedef: Any
    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = sum(math.prod(shape) for shape in self.shapes)
        if sizes != len(self.names):
            raise ValueError(f"state: {len(self.names)} names were given for {sizes} entries")
        if repeated := sorted(name for name, count in Counter(self.names).items() if count > 1):
            raise ValueError(f"state: every entry needs a name of its own, but {repeated} repeat")

    @property
    def size(self) -> int:
        """Number of entries of the flat vector."""
        return len(self.names)

    @property
    def sizes(self) -> list[int]:
        """Number of entries of every leaf."""
        return [math.prod(shape) for shape in self.shapes]

    def flatten(self, tree: PyTree) -> Float[Array, " state"]:
        """Return the leaves of `tree`, joined in one vector."""
        leaves = self.treedef.flatten_up_to(tree)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])

    def unflatten(self, vector: Float[Array, " state"]) -> PyTree:
        """Return the PyTree whose entries `vector` holds."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        pieces = jnp.split(vector, [int(end) for end in ends])
        leaves = [jnp.reshape(piece, shape) for piece, shape in zip(pieces, self.shapes, strict=True)]
        return jax.tree_util.tree_unflatten(self.treedef, leaves)


def entry_names(block: str, shape: tuple[int, ...]) -> list[str]:
    """Return `block[0]`, `block[1]`, … for an array of this shape (`block` alone for a scalar)."""
    if shape == ():
        return [block]
    return [f"{block}[{','.join(map(str, index))}]" for index in product(*map(range, shape))]


def layout_of(tree: PyTree, blocks: Sequence[str] | None = None, root: str = "x") -> Layout:
    """Return the layout of a PyTree of arrays (or of anything with a shape).

    Args:
        tree: arrays, `jax.ShapeDtypeStruct`s or numbers.
        blocks: one name per leaf; by default the path to the leaf (`v`, `layer.h`).
        root: the name for a tree that is a single array.
    """
    paths_leaves, treedef = jax.tree_util.tree_flatten_with_path(tree)
    shapes = tuple(tuple(int(n) for n in np.shape(leaf)) for _, leaf in paths_leaves)
    if blocks is None:
        paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths_leaves]
        blocks = [path or root for path in paths]
    names = [n for block, shape in zip(blocks, shapes, strict=True) for n in entry_names(block, shape)]
    return Layout(treedef, shapes, tuple(names))


def vector_layout(names: Sequence[str]) -> Layout:
    """Return the layout of a state that is one flat array with these names."""
    treedef = jax.tree_util.tree_structure(0)
    return Layout(treedef, ((len(names),),), tuple(names))


def names_from(given: Any, block: str, argument: str) -> tuple[str, ...]:
    """Return names for the entries of a vector, from a count (`block[0]`, …), from names, or none."""
    if given is None:
        return ()
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 0:
            raise ValueError(f"{argument}: expected a number of entries of at least 0, got {given}")
        return tuple(entry_names(block, (int(given),)))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{argument}: expected a number or a sequence of names, got {given!r}")
    names = tuple(map(str, given))
    if len(set(names)) != len(names):
        raise ValueError(f"{argument}: names must differ, got {list(names)}")
    return names
