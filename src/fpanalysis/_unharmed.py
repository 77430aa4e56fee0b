"""Calls that may be interrupted, by Ctrl-C, and leave everything as they found it."""

import contextlib
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from fpanalysis._blas import holders

class unharmed:  # noqa: N801, used as a function
    """Leave JAX's settings, NumPy's, and BLAS's threads as they were, however the context is left.

    An interrupt may strike while a context inside of this one is entered or left, which then never restores
    what it has set. So this one restores all of it once more at its end. Meanwhile, and while it begins, an
    interrupt is put off, by a handler of SIGINT that is there as long as the context is. In threads other
    than the main one, which no signal reaches, and where the handler is not one of Python's, nothing is put
    off.
    """

    def __init__(self) -> None:
        self._settings = ExitStack()
        self._handler: Callable[[int, FrameType | None], Any] | None = None
        self._depth = 0
        self._may_raise = False
        self._pending: FrameType | None = None

    def __enter__(self) -> Self:
        self._depth = holders.depth()
        handler = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and callable(handler) and not _is_ours(handler):
            self._handler = handler
            signal.signal(signal.SIGINT, self._interrupted)
        for same in _present_settings():
            self._settings.enter_context(same)
        self._may_raise = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._may_raise = False
        _close_generators(trace)
        self._settings.close()
        holders.hold(self._depth)
        if self._handler is None:
            return
        if _is_ours(signal.getsignal(signal.SIGINT)):
            signal.signal(signal.SIGINT, self._handler)
        handler, frame = self._handler, self._pending
        self._handler = self._pending = None
        if frame is not None:
            handler(signal.SIGINT, frame)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        # The first thing that can happen in `__exit__` is that a signal is handled.
        leaves = frame is not None and frame.f_code is _EXIT and frame.f_locals["self"] is self
        if self._handler is not None and self._may_raise and not leaves:
            self._handler(number, frame)
        else:
            self._pending = frame


_EXIT = unharmed.__exit__.__code__


def _is_ours(handler: Any) -> bool:
    return isinstance(getattr(handler, "__self__", None), unharmed)


def _present_settings() -> list[Any]:
    """Return contexts that set what is set already, and at their end set it again."""
    config = jax.config
    settings = [
        jax.enable_x64(config.jax_enable_x64),  # pyright: ignore[reportAttributeAccessIssue]
        jax.debug_nans(config.jax_debug_nans),  # pyright: ignore[reportAttributeAccessIssue]
        jax.debug_infs(config.jax_debug_infs),  # pyright: ignore[reportAttributeAccessIssue]
        jax.disable_jit(config.jax_disable_jit),  # pyright: ignore[reportAttributeAccessIssue]
        jax.numpy_dtype_promotion(config.jax_numpy_dtype_promotion),  # pyright: ignore[reportAttributeAccessIssue]
        np.errstate(**np.geterr()),
    ]
    if not isinstance(jnp.zeros(()), Tracer):
        settings.append(jax.core.eval_context())  # what JAX traces when it is interrupted is traced no more
    return settings


def _close_generators(trace: TracebackType | None) -> None:
    """End the contexts that an interrupt has kept from ending: or they would, when the error is forgotten.

    They are held by the frames of `contextlib` in its traceback.
    """
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == contextlib.__file__:
            try:
                trace.tb_frame.clear()
            except RuntimeError:  # it is still running
                pass
        trace = trace.tb_next
