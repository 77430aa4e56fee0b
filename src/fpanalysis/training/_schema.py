"""What a training configuration may hold: its sections, with default and range of every value."""

import math
import numbers
import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic.types import Strict

from fpanalysis.training._problems import shown

# YAML 1.1 takes a number with an exponent but without a dot, such as 1e-5, for text.
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def plain_number(value: Any) -> Any:
    """Return the number that a value plainly is (NumPy's too), or the value as it is."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if isinstance(value, bool | int) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _whole(value: Any) -> Any:
    """Return the whole number that a value plainly is, such as 5e3, or the value as it is."""
    value = plain_number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


Number = Annotated[float, BeforeValidator(plain_number), Strict(), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_whole), Strict()]
Flag = Annotated[bool, Strict()]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Pair = tuple[Number, Number]


class Section(BaseModel):
    """Values that belong together; they cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class ReachLossSettings(Section):
    """Loss of a model that reaches: the weights of its terms.

    Attributes:
        position: squared distance to the target.
        final_velocity: squared velocity at the end.
        force: squared command.
        hidden: squared activity of the hidden units.
        readout_norm: squared difference of the readout's norm from `readout_norm_target`; null for none.
        readout_norm_target: the norm wanted.
    """

    position: NotNegative = 1.0
    final_velocity: NotNegative = 1.0
    force: NotNegative = 1e-5
    hidden: NotNegative = 1e-5
    readout_norm: NotNegative | None = None
    readout_norm_target: NotNegative = 2.0


class OutputLossSettings(Section):
    """Loss of a network without a plant: the weights of its terms.

    Attributes:
        output: squared difference from the target.
        hidden: squared activity of the hidden units.
        readout_norm: squared difference of the readout's norm from `readout_norm_target`; null for none.
        readout_norm_target: the norm wanted.
    """

    output: NotNegative = 1.0
    hidden: NotNegative = 1e-5
    readout_norm: NotNegative | None = None
    readout_norm_target: NotNegative = 2.0


class TaskSettings(Section):
    """What all tasks share: `n_steps` steps of `dt` seconds."""

    moves_plant: ClassVar[bool] = True
    loss: ClassVar[type[Section]] = ReachLossSettings

    kind: str
    n_steps: Whole = Field(99, ge=1, le=1_000_000)
    dt: Number = Field(0.05, gt=0, le=1000)


class SimpleReachesSettings(TaskSettings):
    """`SimpleReaches`; workspace and length of the reaches are the plant's."""

    kind: Literal["simple_reaches"] = "simple_reaches"


class DelayedReachesSettings(TaskSettings):
    """`DelayedReaches`: the cue comes within `cue_window` (s), or never with `catch_probability`."""

    kind: Literal["delayed_reaches"] = "delayed_reaches"
    n_steps: Whole = Field(139, ge=1, le=1_000_000)
    cue_window: Pair = (0.5, 2.0)
    catch_probability: Number = Field(0.1, ge=0, le=1)

    @field_validator("cue_window")
    @classmethod
    def _within_the_trial(cls, window: tuple[float, float], info: Any) -> tuple[float, float]:
        # `info` is a `ValidationInfo`, a protocol that run-time checks of annotations cannot check.
        if not {"n_steps", "dt"} <= info.data.keys():
            return window
        dt, n_steps = info.data["dt"], info.data["n_steps"]
        if not 0 <= window[0] <= window[1] or round(window[1] / dt) >= n_steps:
            raise ValueError(
                f"expected two times in order, from 0 to below {n_steps * dt:g} s, the length of a trial, "
                f"got {list(window)}"
            )
        return window


class _BareSettings(TaskSettings):
    """What the tasks share that ask for outputs, not for movements."""

    moves_plant: ClassVar[bool] = False
    loss: ClassVar[type[Section]] = OutputLossSettings

    n_steps: Whole = Field(100, ge=1, le=1_000_000)


class FlipFlopSettings(_BareSettings):
    """`FlipFlop`: `n_bits` channels, with a pulse in a step with `pulse_probability`."""

    kind: Literal["flip_flop"] = "flip_flop"
    n_bits: Whole = Field(3, ge=1, le=1000)
    pulse_probability: Number = Field(0.1, ge=0, le=1)


class ContextIntegrationSettings(_BareSettings):
    """`ContextIntegration`: streams of one of the `coherences`, with noise of `noise_std` in a step."""

    kind: Literal["context_integration"] = "context_integration"
    coherences: tuple[Number, ...] = (-0.5, -0.25, -0.1, 0.1, 0.25, 0.5)
    noise_std: Number = Field(0.5, ge=0)

    @field_validator("coherences")
    @classmethod
    def _not_all_zero(cls, coherences: tuple[float, ...]) -> tuple[float, ...]:
        if not any(coherences):
            raise ValueError(f"expected numbers, at least one of them not 0, got {list(coherences)}")
        return coherences


class NetworkSettings(Section):
    """The recurrent network: its cell and its number of units."""

    kind: Literal["gru", "lstm", "tanh"] = "gru"
    hidden_size: Whole = Field(50, ge=1, le=100_000)


class PlantSettings(Section):
    """What all plants share: the box of the reaches (m), and the length of those for validation (m)."""

    kind: str
    workspace: tuple[Pair, Pair]
    reach_length: Positive

    @field_validator("workspace")
    @classmethod
    def _box(cls, box: tuple[tuple[float, float], tuple[float, float]]) -> Any:
        if not (box[0][0] < box[1][0] and box[0][1] < box[1][1]):
            corners = list(map(list, box))
            raise ValueError(f"expected [[x_min, y_min], [x_max, y_max]], minima below maxima, got {corners}")
        return box


class PointMassSettings(PlantSettings):
    """`PointMass`: mass in kg, damping in N s/m."""

    kind: Literal["point_mass"] = "point_mass"
    mass: Positive = 1.0
    damping: NotNegative = 0.0
    integrator: Literal["exact", "euler"] = "exact"
    workspace: tuple[Pair, Pair] = ((-1.0, -1.0), (1.0, 1.0))
    reach_length: Positive = 0.5


class TwoLinkArmSettings(PlantSettings):
    """`TwoLinkArm`: upper arm and forearm, in m, kg, kg m² and N m s/rad."""

    kind: Literal["two_link_arm"] = "two_link_arm"
    lengths: tuple[Positive, Positive] = (0.30, 0.33)
    masses: tuple[Positive, Positive] = (1.4, 1.0)
    inertias: tuple[Positive, Positive] = (0.025, 0.045)
    centers_of_mass: tuple[Positive, Positive] = (0.11, 0.16)
    friction: tuple[Pair, Pair] = ((0.05, 0.025), (0.025, 0.05))
    workspace: tuple[Pair, Pair] = ((-0.15, 0.2), (0.15, 0.5))
    reach_length: Positive = 0.1


class FeedbackSettings(Section):
    """Feedback to the network: late by `delay` steps, with noise of `noise_std` (m and m/s)."""

    delay: Whole = Field(0, ge=0, le=10_000)
    noise_std: NotNegative = 0.01


class MotorSettings(Section):
    """The motor command: with noise of `noise_std` (N or N m)."""

    noise_std: NotNegative = 0.01


class FieldSettings(Section):
    """What all methods of perturbation share: the kind of field, and the scale of its amplitude."""

    method: str
    field: Literal["curl", "constant", "none"] = "curl"
    field_std: NotNegative = 0.0


class ActiveSettings(FieldSettings):
    """`Active`: the context is 1 with a field and `low` without."""

    method: Literal["active"] = "active"
    low: Number = Field(0.0, lt=1)


class AmplitudeSettings(FieldSettings):
    """`Amplitude`: the context tells the strength of the field."""

    method: Literal["amplitude"] = "amplitude"


class StdSettings(FieldSettings):
    """`Std`: the context tells what strength to expect, in the field's unit if `scaled_context`."""

    method: Literal["std"] = "std"
    scaled_context: Flag = False


class StdUniformSettings(FieldSettings):
    """`StdUniform`: the context tells what strength to expect, between 0 and 1."""

    method: Literal["std_uniform"] = "std_uniform"


class NoPerturbationSettings(Section):
    """No force field, and a context of 0."""

    method: Literal["none"] = "none"


class OptimizerSettings(Section):
    """AdamW, with a learning rate that is constant at first and then falls along half a cosine.

    Attributes:
        learning_rate: at the start.
        weight_decay: per unit of learning rate.
        constant_iterations: iterations before the learning rate falls.
        final_fraction: part of the learning rate that is left at the end.
        clip_norm: largest norm of the gradient; null for no clipping.
    """

    learning_rate: Number = Field(0.01, gt=0, le=1)
    weight_decay: Number = Field(1e-4, ge=0, le=1)
    constant_iterations: Whole = Field(0, ge=0, le=1_000_000_000)
    final_fraction: Number = Field(0.1, ge=0, le=1)
    clip_norm: Positive | None = None


def _tenths(data: dict[str, Any]) -> tuple[int, ...]:
    """Return ten iterations, evenly spaced up to the last, or all where there are fewer."""
    last = data["iterations"]
    return tuple(sorted({math.ceil(last * part / 10) for part in range(1, 11)}))


class TrainingSettings(Section):
    """How long to train, and when to look.

    Attributes:
        iterations: steps of the optimizer.
        batch_size: trials a step.
        validate_every: iterations between validations.
        checkpoints: numbers of iterations after which the weights are kept; 0 is before the first.
    """

    iterations: Whole = Field(5000, ge=1, le=1_000_000_000)
    batch_size: Whole = Field(250, ge=1, le=1_000_000)
    validate_every: Whole = Field(50, ge=1, le=1_000_000_000)
    checkpoints: tuple[Annotated[Whole, Field(ge=0)], ...] = Field(default_factory=_tenths)

    @field_validator("checkpoints")
    @classmethod
    def _in_order(cls, checkpoints: tuple[int, ...], info: Any) -> tuple[int, ...]:
        if "iterations" not in info.data:
            return checkpoints
        last = info.data["iterations"]
        rising = all(a < b for a, b in zip(checkpoints, checkpoints[1:], strict=False))
        if not checkpoints or not rising or checkpoints[-1] > last:
            raise ValueError(
                f"expected at least one iteration, rising, up to the last ({last}), "
                f"got {shown(list(checkpoints))}"
            )
        return checkpoints


class GeneralSettings(Section):
    """What belongs to no section: the seed, and how many networks of each kind are trained."""

    seed: Whole = Field(0, ge=0, le=2**32 - 1)
    replicates: Whole = Field(3, ge=1, le=100_000)


class Family(NamedTuple):
    """The classes of one section.

    Attributes:
        classes: one of them fits; the first by default.
        choice: the key whose value decides which; None where there is one class, or the task decides.
        needs_plant: whether the section is for tasks that move a plant only.
    """

    classes: tuple[type[Section], ...]
    choice: str | None = None
    needs_plant: bool = False


TASKS = (SimpleReachesSettings, DelayedReachesSettings, FlipFlopSettings, ContextIntegrationSettings)
METHODS = (StdSettings, ActiveSettings, AmplitudeSettings, StdUniformSettings, NoPerturbationSettings)

SECTIONS: dict[str, Family] = {
    "task": Family(TASKS, choice="kind"),
    "network": Family((NetworkSettings,)),
    "plant": Family((PointMassSettings, TwoLinkArmSettings), choice="kind", needs_plant=True),
    "feedback": Family((FeedbackSettings,), needs_plant=True),
    "motor": Family((MotorSettings,), needs_plant=True),
    "perturbation": Family(METHODS, choice="method", needs_plant=True),
    "loss": Family((ReachLossSettings, OutputLossSettings)),
    "optimizer": Family((OptimizerSettings,)),
    "training": Family((TrainingSettings,)),
}
