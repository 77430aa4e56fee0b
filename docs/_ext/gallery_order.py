"""The order of the example gallery: it reads like a story, from small networks to whole collections."""

PAGES = (
    "flipflop",
    "line_attractor",
    "lorenz",
    "wilson_cowan",
    "pytorch",
    "goal_steady_states",
    "clamped_and_closed",
    "two_postures",
    "trail",
    "ringing",
    "exploding_losses",
    "stopped_networks",
    "records",
    "xarray",  # opens what others have saved
)


def place(filename: str) -> int:
    """Return the place of a page; pages that are not listed come last."""
    name = filename.removeprefix("plot_").removesuffix(".py")
    return PAGES.index(name) if name in PAGES else len(PAGES)
