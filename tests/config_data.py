"""Random configurations for the tests, and what is said of wrong ones."""

import pytest
from hypothesis import strategies as st

from fpanalysis.training.config import Config, ConfigError


def refused(data):
    """Return the lines of the error that a mapping gives."""
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(data)
    return str(caught.value).splitlines()


def refused_file(content):
    """Return the lines of the error that `config.yaml`, in the current folder, gives with this content."""
    with open("config.yaml", "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        Config.from_yaml("config.yaml")
    return str(caught.value).splitlines()


def numbers(low=0.0, high=1e6):
    return st.floats(low, high, allow_subnormal=False) | st.integers(int(low) + 1, int(high))


POSITIVE = numbers(1e-6)
NOT_NEGATIVE = numbers()
WHOLE = st.integers(1, 10_000)
PROBABILITY = st.floats(0.0, 1.0)
WEIGHT_OR_NONE = st.none() | NOT_NEGATIVE
BOX = st.tuples(*[st.floats(-9.0, 0.0)] * 2, *[st.floats(0.5, 9.0)] * 2).map(
    lambda c: [list(c[:2]), list(c[2:])]
)
PAIR = st.lists(st.floats(0.01, 5.0), min_size=2, max_size=2)


def section(**values):
    return st.fixed_dictionaries({}, optional=values)


def kind(name, key="kind", **values):
    return section(**values).map(lambda given: {key: name, **given})


REACHES = kind("simple_reaches", n_steps=WHOLE, dt=POSITIVE.filter(lambda dt: dt <= 1000)) | kind(
    "delayed_reaches",
    n_steps=st.integers(50, 500),
    cue_window=st.just([0.5, 1]),
    catch_probability=PROBABILITY,
)
BARE = kind("flip_flop", n_bits=st.integers(1, 9), pulse_probability=PROBABILITY, n_steps=WHOLE) | kind(
    "context_integration", noise_std=NOT_NEGATIVE, coherences=st.lists(POSITIVE, min_size=1, max_size=3)
)
BODY = {
    "plant": kind(
        "point_mass", mass=POSITIVE, damping=NOT_NEGATIVE, integrator=st.just("euler"), workspace=BOX
    )
    | kind("two_link_arm", lengths=PAIR, masses=PAIR, reach_length=POSITIVE),
    "feedback": section(delay=st.integers(0, 20), noise_std=NOT_NEGATIVE),
    "motor": section(noise_std=NOT_NEGATIVE),
    "perturbation": kind("active", "method", low=st.floats(-3, 0.9), field_std=NOT_NEGATIVE)
    | kind("std", "method", scaled_context=st.booleans(), field=st.sampled_from(["curl", "constant", "none"]))
    | st.sampled_from([{"method": "amplitude"}, {"method": "std_uniform"}, {"method": "none"}]),
    "loss": section(position=NOT_NEGATIVE, force=NOT_NEGATIVE, readout_norm=WEIGHT_OR_NONE),
}
REST = {
    "network": section(kind=st.sampled_from(["gru", "lstm", "tanh"]), hidden_size=WHOLE),
    "optimizer": section(
        learning_rate=st.floats(1e-9, 1.0),
        clip_norm=st.none() | POSITIVE,
        constant_iterations=st.integers(0, 99),
    ),
    "training": section(iterations=st.integers(1, 20_000), batch_size=WHOLE, validate_every=WHOLE)
    | st.just({"iterations": 70, "checkpoints": [0, 7, 70]}),
    "seed": st.integers(0, 2**32 - 1),
    "replicates": st.integers(1, 9),
}

reaching = st.tuples(REACHES, section(**BODY, **REST)).map(lambda parts: {"task": parts[0], **parts[1]})
bare = st.tuples(BARE, section(loss=section(output=NOT_NEGATIVE), **REST)).map(
    lambda parts: {"task": parts[0], **parts[1]}
)
configurations = reaching | bare
