"""A progress bar that shows itself only for work that takes more than a second."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm


@contextmanager
def progress_bar(total: int, what: str, show: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that counts `n` more of `total` things as done."""
    with tqdm(total=total, desc=what, delay=1.0, disable=not show, leave=False) as bar:
        yield bar.update  # pyright: ignore[reportReturnType]
