"""Forked processes, in which JAX would hang."""

import os

_FORKED = (
    "this process was forked from one in which JAX was running, and JAX does not work in such children: it "
    "would wait for ever for threads that only the parent has. Start processes with "
    "multiprocessing.get_context('spawn') (for concurrent.futures: mp_context=), or call fpanalysis in the "
    "children only"
)


class _Fork:
    """Whether this process was forked from one in which JAX was running."""

    is_child = False


def _note_fork() -> None:
    # There is no public way to ask without starting JAX, and its own waits for a lock that nobody may hold.
    from jax._src import xla_bridge

    _Fork.is_child = _Fork.is_child or bool(xla_bridge._backends)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def refuse_fork() -> None:
    """Raise `RuntimeError` in a forked child in which JAX would hang."""
    if _Fork.is_child:
        raise RuntimeError(_FORKED)
