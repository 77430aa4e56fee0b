"""All systems of the zoo, in the order of the table."""

from collections import Counter

from zoology import critical, gated, networks, piecewise, published, shapes
from zoology.system import System

MAKERS = (
    networks.tanh_maps,
    networks.tanh_flows,
    networks.leaky_maps,
    networks.odd_systems,
    piecewise.relu_maps,
    piecewise.plrnns,
    gated.grus,
    gated.lstms,
    gated.stacks,
    gated.own_gates,
    published.neurons,
    published.chaos_and_chemistry,
    critical.ghosts,
    critical.critical,
    critical.near_critical,
    shapes.tails,
    shapes.scaled,
    shapes.angles,
    piecewise.kinks,
    piecewise.continua,
)


def systems() -> list[System]:
    """Return all systems; those whose truth could not be made sure are still among them."""
    out = [system for make in MAKERS for system in make()]
    again = [name for name, n in Counter(system.name for system in out).items() if n > 1]
    assert not again, f"two systems of one name: {again}"
    return out
