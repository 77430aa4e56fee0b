"""How much memory this process may use."""

from collections.abc import Iterator
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def total_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> float:
    """Return how many bytes of memory this process may have at most.

    That is the machine's memory, or less where a control group (of a container, a batch job) or a limit of
    the process (`ulimit -v`) says so.

    Args:
        proc: where the system tells about processes.
        groups: where the system tells about control groups.
    """
    import psutil  # only here, for imports to stay light

    return float(min([psutil.virtual_memory().total, *_group_limits(proc, groups), *_own_limits()]))


def _group_limits(proc: Path, groups: Path) -> Iterator[int]:
    """Yield the limits of the control groups that this process is in, in bytes."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, file = groups, "memory.max"
        elif "memory" in controllers.split(","):
            root, file = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        # Groups lie within each other. In a container the path may be that on the host: then only the
        # root of what is seen is there.
        inner = root / path.lstrip("/")
        for folder in (inner, *(above for above in inner.parents if above.is_relative_to(root))):
            try:
                yield int((folder / file).read_text())
            except (OSError, ValueError):  # no such group, or "max": no limit
                continue


def _own_limits() -> Iterator[int]:
    """Yield the limits of this process, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit
