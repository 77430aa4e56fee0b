"""The two-link arm in the horizontal plane."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.control.fields import AbstractField, NoField
from fpanalysis.control.plants._base import (
    AbstractPlant,
    Box,
    PlantState,
    Step,
    as_static,
    check_box,
    check_number,
    check_positions,
    first_of,
)
from fpanalysis.control.plants._integrate import runge_kutta

# Positions nearer than this to the edge of the reach, relative to it, count as out of reach: there the arm is
# stretched or folded, and rounding decides whether it has a posture at all.
_EDGE = 1e-6


class TwoLinkArm(AbstractPlant):
    """A planar arm of two links that the network moves by torques at shoulder and elbow.

    The equations of motion are those of Li & Todorov (International Conference on Informatics in Control,
    Automation and Robotics, 2004), `M(θ) θ'' + C(θ, θ') + B θ' = τ + Jᵀ f`, with their parameters as
    defaults. The shoulder is the origin; `θ₁` is the angle of the upper arm with the x axis, `θ₂` that of the
    forearm with the upper arm, both counter-clockwise. The arm moves in a horizontal plane, so there is no
    gravity.

    The state holds `angle` (rad) and `angular_velocity` (rad/s), shoulder first; the command `τ` is a torque
    (N m). Angles are not wrapped: they count full turns.

    A step is one of a Runge–Kutta method of fifth order (Tsitouras, Computers & Mathematics with
    Applications, 2011). While joints turn at up to 3 rad/s under torques of about 2 N m, a step of 0.05 s
    misses the hand's position by less than 10 µm, and one of 0.01 s by less than 1 nm.

    At rest the arm takes the posture of a right arm that is seen from above, elbow down: `0 < θ₂ < π`.

    Args:
        lengths: of upper arm and forearm, in m.
        masses: of upper arm and forearm, in kg.
        inertias: moments of inertia of the links about their own proximal joint, in kg m².
        centers_of_mass: distances of the centres of mass from the proximal joint, in m.
        friction: matrix `B` of joint friction, in N m s/rad.
        workspace: corners `((x_min, y_min), (x_max, y_max))` of the box in which reaches lie, in m. From
            every point of the default box all points within `reach_length` are reachable.
        reach_length: of centre-out reaches, in m.

    Raises:
        ValueError: a hyperparameter is not what it should be, an inertia is smaller than its mass and centre
            of mass allow, the friction would add energy, or the workspace is out of reach.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.plants import TwoLinkArm
        >>> arm = TwoLinkArm()
        >>> state = arm.at_rest(jnp.array([0.0, 0.4]))
        >>> [round(angle, 3) for angle in state["angle"].tolist()]
        [0.628, 1.769]
        >>> step = arm.stepper(None, dt=0.01)
        >>> position, velocity = arm.effector(step(state, jnp.array([1.0, 0.0])))
    """

    lengths: tuple[float, float] = eqx.field(default=(0.30, 0.33), static=True, converter=as_static)
    masses: tuple[float, float] = eqx.field(default=(1.4, 1.0), static=True, converter=as_static)
    inertias: tuple[float, float] = eqx.field(default=(0.025, 0.045), static=True, converter=as_static)
    centers_of_mass: tuple[float, float] = eqx.field(default=(0.11, 0.16), static=True, converter=as_static)
    friction: tuple[tuple[float, float], tuple[float, float]] = eqx.field(
        default=((0.05, 0.025), (0.025, 0.05)), static=True, converter=as_static
    )
    workspace: Box = eqx.field(default=((-0.15, 0.2), (0.15, 0.5)), static=True, converter=as_static)
    reach_length: float = eqx.field(default=0.1, static=True, converter=as_static)
    command_name: ClassVar[str] = "torque"
    periodic: ClassVar[tuple[str, ...]] = ("angle",)

    def __check_init__(self) -> None:
        for name in ("lengths", "masses", "inertias", "centers_of_mass"):
            _check_pair(getattr(self, name), name)
        self._check_inertias()
        _check_friction(self.friction)
        check_number(self.reach_length, "reach_length")
        check_box(self.workspace, "workspace")
        box = np.asarray(self.workspace)
        nearest = np.clip(0.0, box[0], box[1])
        corners = np.stack(np.meshgrid(box[:, 0], box[:, 1]), axis=-1).reshape(4, 2)
        for point in (*corners, nearest):
            self.check_reachable(point, "workspace")

    @property
    def reach(self) -> tuple[float, float]:
        """Smallest and largest distance of the effector from the shoulder, in m."""
        return abs(self.lengths[0] - self.lengths[1]), self.lengths[0] + self.lengths[1]

    def at_rest(self, position: Float[Array, "2"]) -> PlantState:
        """Return the state in which the effector is at a position (m), elbow down, and nothing moves.

        Positions out of reach give NaN; see `check_reachable`.
        """
        return self.postures(position)[0]

    def postures(self, position: Float[Array, "2"]) -> tuple[PlantState, ...]:
        """Return the two states in which the effector is at a position (m): elbow down, and elbow up."""
        upper, fore = self.lengths
        x, y = position
        down = jnp.arccos((x**2 + y**2 - upper**2 - fore**2) / (2 * upper * fore))
        states = []
        for elbow in (down, -down):
            shoulder = jnp.arctan2(y, x) - jnp.arctan2(fore * jnp.sin(elbow), upper + fore * jnp.cos(elbow))
            angle = jnp.stack([shoulder, elbow])
            states.append({"angle": angle, "angular_velocity": jnp.zeros_like(position)})
        return tuple(states)

    def effector(self, state: PlantState) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        """Return position (m) and velocity (m/s) of the hand."""
        upper, fore = self._links(state["angle"])
        first, second = state["angular_velocity"]
        return upper + fore, first * _turned(upper) + (first + second) * _turned(fore)

    def derivative(
        self, state: PlantState, command: Float[Array, "2"], force: Float[Array, "2"]
    ) -> PlantState:
        """Return angular velocity (rad/s) and acceleration (rad/s²) under torques (N m) and a force (N)."""
        velocity = state["angular_velocity"]
        (b11, b12), (b21, b22) = self.friction
        friction = jnp.stack([b11 * velocity[0] + b12 * velocity[1], b21 * velocity[0] + b22 * velocity[1]])
        torque = command + self._torque_of(force, state["angle"]) - friction
        return {"angle": velocity, "angular_velocity": self._acceleration(state, torque)}

    def stepper(self, field: AbstractField | None, dt: float) -> Step:
        """Return the function of state and command that advances a state by `dt` seconds.

        Args:
            field: force field of the trial; None for none.
            dt: seconds per step.

        Raises:
            ValueError: `dt` is not a positive number.
        """
        check_number(dt, "dt")
        return runge_kutta(self, NoField() if field is None else field, float(dt))

    def check_reachable(self, positions: np.ndarray, argument: str) -> None:
        """Raise `ValueError` for the first position that the hand cannot take.

        Args:
            positions: effector positions in m, shape (..., 2), not traced.
            argument: how the error calls them.
        """
        positions = check_positions(positions, argument)
        distance = np.hypot(positions[..., 0], positions[..., 1])
        shortest, longest = self.reach
        bad = (distance <= shortest + _EDGE * longest) | (distance >= longest * (1 - _EDGE))
        if np.any(bad):
            name, x, y = first_of(bad, positions, argument)
            raise ValueError(
                f"{name}: expected a position that the arm can reach, more than {shortest:.4g} m and less "
                f"than {longest:.4g} m from the shoulder at (0, 0), got ({x:.4g}, {y:.4g}) m, "
                f"{np.hypot(x, y):.4g} m from it"
            )

    def _links(self, angle: Float[Array, "2"]) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        """Return upper arm and forearm as vectors, in m."""
        upper, fore = self.lengths
        return upper * _direction(angle[0]), fore * _direction(angle[0] + angle[1])

    def _torque_of(self, force: Float[Array, "2"], angle: Float[Array, "2"]) -> Float[Array, "2"]:
        """Return the torques `Jᵀ f` (N m) that a force on the hand (N) exerts on the joints."""
        upper, fore = self._links(angle)
        elbow = jnp.sum(_turned(fore) * force)
        return jnp.stack([jnp.sum(_turned(upper) * force) + elbow, elbow])

    def _acceleration(self, state: PlantState, torque: Float[Array, "2"]) -> Float[Array, "2"]:
        """Return `M⁻¹ (torque − C)`, in rad/s²."""
        first, second = state["angular_velocity"]
        coupling = self.masses[1] * self.lengths[0] * self.centers_of_mass[1]
        cos, sin = jnp.cos(state["angle"][1]), jnp.sin(state["angle"][1])
        m22 = self.inertias[1]
        m12 = m22 + coupling * cos
        m11 = sum(self.inertias) + self.masses[1] * self.lengths[0] ** 2 + 2 * coupling * cos
        shoulder = torque[0] + coupling * sin * second * (2 * first + second)
        elbow = torque[1] - coupling * sin * first**2
        determinant = m11 * m22 - m12**2
        return jnp.stack([m22 * shoulder - m12 * elbow, m11 * elbow - m12 * shoulder]) / determinant

    def _check_inertias(self) -> None:
        for k, link in enumerate(("upper arm", "forearm")):
            least = self.masses[k] * self.centers_of_mass[k] ** 2
            if self.inertias[k] < least * (1 - 1e-9):
                raise ValueError(
                    f"inertias[{k}]: expected at least mass times squared distance of the centre of mass, "
                    f"{least:.4g} kg m² for the {link}, got {self.inertias[k]!r}"
                )


def _direction(angle: Float[Array, ""]) -> Float[Array, "2"]:
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def _turned(vector: Float[Array, "2"]) -> Float[Array, "2"]:
    """Return a vector turned by a right angle, counter-clockwise: how it changes per rad."""
    return jnp.stack([-vector[1], vector[0]])


def _check_pair(value: object, argument: str) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(f"{argument}: expected two numbers, one per link, got {value!r}")
    for k, number in enumerate(value):
        check_number(number, f"{argument}[{k}]")


def _check_friction(value: object) -> None:
    try:
        matrix = np.asarray(value, float)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape != (2, 2) or not np.all(np.isfinite(matrix)):
        raise ValueError(f"friction: expected two rows of two finite numbers, got {value!r}")
    if np.linalg.eigvalsh(matrix + matrix.T)[0] < 0:
        raise ValueError(f"friction: expected a matrix that takes energy (θ'ᵀ B θ' ≥ 0), got {value!r}")
