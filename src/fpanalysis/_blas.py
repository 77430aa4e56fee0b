"""BLAS limited to one thread while many small matrices are worked on. No JAX: figures use it too."""

import os
import threading
from functools import cache
from types import TracebackType
from typing import Self

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _Holders:
    """Who wants one thread: how often each Python thread, and what the numbers of threads were before.

    The numbers are those of the whole process. Calls that overlap would each save and restore what another
    has set; so the first to come saves them, and the last to leave restores them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depths: dict[int, int] = {}
        self.before: list = []

    def depth(self) -> int:
        """Return how often this Python thread holds BLAS at one thread."""
        return self.depths.get(threading.get_ident(), 0)

    def hold(self, depth: int) -> None:
        """Have this Python thread hold BLAS at one thread `depth` times; 0 lets go."""
        mine = threading.get_ident()
        # In such an order that whoever is interrupted in between is still known to hold.
        with self.lock:
            is_first = depth > 0 and not self.depths
            if is_first:
                libraries = [each for each in _controller().lib_controllers if each.user_api == "blas"]
                self.before = [(each, each.num_threads) for each in libraries]
            if depth > 0:
                self.depths[mine] = depth
            elif set(self.depths) == {mine}:
                self.restore()
            if is_first:
                for library, _ in self.before:
                    library.set_num_threads(1)
            if depth == 0:
                self.depths.pop(mine, None)

    def restore(self) -> None:
        """Set the numbers of threads to what they were, unless somebody else has changed them meanwhile."""
        for library, number in self.before:
            if library.num_threads == 1:
                library.set_num_threads(number)

    def forked(self) -> None:
        """Forget, in a forked child, the threads of the parent, which are not there."""
        self.lock = threading.Lock()
        kept = self.depth()
        if self.depths and not kept:
            self.restore()
        self.depths = {threading.get_ident(): kept} if kept else {}


holders = _Holders()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=holders.forked)


class one_blas_thread:  # noqa: N801, used as a function
    """Limit BLAS to one thread inside of the context; contexts may overlap in several Python threads.

    Batches are spread over threads by the package, and for small matrices more threads cost more than they
    give: ten times the wall time on two busy cores.
    """

    def __enter__(self) -> Self:
        holders.hold(holders.depth() + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        holders.hold(max(holders.depth() - 1, 0))
