"""Controllers made by hand, whose steady states are known in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import fpanalysis as fpa

A = 2.0  # 1/m: how steeply the units saturate
B = 0.25  # s/m


def spring(
    stiffness=4.0, damping=4.0, *, plant=None, delay=0, dt=0.05, matrix=None, inputs=None
) -> fpa.Controller:
    """Return a controller that pulls the effector to the target like a damped, saturating spring.

    Units 0 and 1 are `tanh(A (target − felt position))`, units 2 and 3 `tanh(B · felt velocity)`; the command
    is `matrix @ (stiffness/A · units[:2] − damping/B · units[2:])`.
    """
    controller = fpa.Controller.create(
        plant,
        **({} if inputs is None else {"inputs": inputs}),
        kind="tanh",
        hidden_size=4,
        feedback_delay=delay,
        feedback_noise=0.0,
        motor_noise=0.0,
        dt=dt,
        key=jax.random.key(0),
    )
    names = controller.network.vector_field().inputs
    weight = np.zeros((4, len(names)))
    for axis in range(2):
        weight[axis, names.index(f"target.position[{axis}]")] = A
        weight[axis, names.index(f"feedback.position[{axis}]")] = -A
        weight[2 + axis, names.index(f"feedback.velocity[{axis}]")] = B
    readout = np.concatenate([stiffness / A * np.eye(2), -damping / B * np.eye(2)], axis=1)
    readout = (np.eye(2) if matrix is None else matrix) @ readout
    made = [weight, np.zeros((4, 4)), np.zeros(4), readout, np.zeros(2)]
    made = [jnp.asarray(each, jnp.float32) for each in made]  # exact: all are sums of few powers of two
    cell, linear = controller.network.cell, controller.network.readout
    assert [leaf.shape for leaf in jax.tree_util.tree_leaves(cell)] == [each.shape for each in made[:3]]
    cell = eqx.tree_at(jax.tree_util.tree_leaves, cell, made[:3])
    linear = eqx.tree_at(lambda r: (r.weight, r.bias), linear, made[3:])
    return eqx.tree_at(lambda c: (c.network.cell, c.network.readout), controller, (cell, linear))


def settled(controller, field, u, start, tolerance=1e-13, longest=200_000):
    """Return the state in which the closed loop, simulated without noise, moves less than that in a step."""
    loop = controller.closed_loop(field)
    with jax.enable_x64(True):
        state = jax.tree_util.tree_map(
            lambda leaf: jnp.asarray(leaf, float), controller.initial(jnp.asarray(start))
        )
        x = np.asarray(loop.state_layout.flatten(state))
    for _ in range(0, longest, 1000):
        ds = fpa.simulate(loop, np.broadcast_to(u, (1000, len(u))), x, progress=False)
        x, before = ds.x.values[-1], ds.x.values[-2]
        if np.max(np.abs(x - before)) < tolerance:
            return x
    raise AssertionError(f"the loop still moves by {np.max(np.abs(x - before)):.2g} after {longest} steps")
