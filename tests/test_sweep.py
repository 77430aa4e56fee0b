"""Sweeps: which networks they stand for, in which order, and which are refused."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fpanalysis.training.config import Config, ConfigError, changed
from fpanalysis.training.sweep import expand

STD_BY_METHOD = {"perturbation.method": ["active", "std"], "perturbation.field_std": [0.0, 0.4, 0.8]}


def nested(values, base=None):
    """Return values by dotted name as a nested dictionary, on top of another."""
    data = {name: dict(each) if isinstance(each, dict) else each for name, each in (base or {}).items()}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (data.setdefault(section, {}) if section else data)[name] = value
    return data


def test_without_a_sweep_there_are_the_replicates():
    config = Config.from_dict({"seed": 7, "replicates": 3})
    plan = expand(config)
    assert plan.dims == {"replicate": [0, 1, 2]}
    assert [(each.seed, each.replicate, each.labels) for each in plan.members] == [
        (7, r, {"replicate": r}) for r in range(3)
    ]
    assert all(changed(config, each.config) == ["replicates: 3 → 1"] for each in plan.members)


def test_a_single_network_has_no_dimensions():
    (member,) = expand(Config.from_dict({"replicates": 1})).members
    assert (member.labels, member.replicate) == ({}, 0)
    assert expand(Config.from_dict({"replicates": 1})).dims == {}


def test_a_sweep_is_the_product_in_the_order_written():
    plan = expand(Config.from_dict({"sweep": STD_BY_METHOD, "replicates": 2}))
    expected = list(itertools.product(["active", "std"], [0.0, 0.4, 0.8], [0, 1]))
    assert plan.dims == {"method": ["active", "std"], "field_std": [0.0, 0.4, 0.8], "replicate": [0, 1]}
    assert [tuple(each.labels.values()) for each in plan.members] == expected
    got = [
        (each.config.perturbation.method, each.config.perturbation.field_std, each.replicate)  # pyright: ignore
        for each in plan.members
    ]
    assert got == expected
    assert len(plan.members) == math.prod(map(len, plan.dims.values()))


def test_cases_vary_slowest_and_are_labelled_by_what_they_set():
    cases = [{"perturbation.method": "active", "perturbation.low": -1}, {"optimizer.clip_norm": None}, {}]
    data = {"cases": cases, "sweep": {"seed": [5, 3]}, "optimizer": {"clip_norm": 2}, "replicates": 1}
    plan = expand(Config.from_dict(data))
    assert plan.dims == {"case": ["method=active, low=-1.0", "clip_norm=null", "base"], "seed": [5, 3]}
    assert [each.labels for each in plan.members][2:4] == [
        {"case": "clip_norm=null", "seed": 5},
        {"case": "clip_norm=null", "seed": 3},
    ]
    assert [each.seed for each in plan.members] == [5, 3] * 3
    assert [each.config.optimizer.clip_norm for each in plan.members] == [2.0, 2.0, None, None, 2.0, 2.0]


def test_a_replicate_has_the_same_seed_whatever_is_swept():
    plan = expand(Config.from_dict({"sweep": STD_BY_METHOD, "seed": 4}))
    assert {each.seed for each in plan.members} == {4}
    seeds = expand(Config.from_dict({"sweep": {"seed": [1, 2]}, "replicates": 2}))
    assert [(each.seed, each.replicate) for each in seeds.members] == [(1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("sweep", "names"),
    [
        (["plant.mass", "feedback.delay"], ["mass", "delay"]),
        (["feedback.noise_std"], ["noise_std"]),
        (["feedback.noise_std", "motor.noise_std"], ["feedback.noise_std", "motor.noise_std"]),
        (["network.kind", "loss.hidden", "seed"], ["network.kind", "loss.hidden", "seed"]),
    ],
)
def test_names_of_dimensions_are_short_where_that_is_clear(sweep, names):
    values = {"network.kind": ["gru"], "plant.mass": [2]}
    plan = expand(
        Config.from_dict({"sweep": {key: values.get(key, [1, 2]) for key in sweep}, "replicates": 1})
    )
    assert list(plan.dims) == names


def test_a_name_in_a_case_makes_the_same_name_in_the_sweep_long():
    data = {"sweep": {"motor.noise_std": [1]}, "cases": [{"feedback.noise_std": 2}], "replicates": 1}
    assert expand(Config.from_dict(data)).dims == {
        "case": ["feedback.noise_std=2.0"],
        "motor.noise_std": [1.0],
    }


def test_values_of_a_sweep_are_numbers_even_where_yaml_says_text(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("sweep:\n  optimizer.weight_decay: [1e-5, 1e-4, 0]\nreplicates: 1\n")
    assert expand(Config.from_yaml(path)).dims == {"weight_decay": [1e-5, 1e-4, 0.0]}


def test_base_values_apply_where_they_have_a_place():
    data = {
        "plant": {"mass": 3},
        "loss": {"output": 0.5, "position": 0.25},
        "perturbation": {"method": "amplitude"},
        "sweep": {"task.kind": ["simple_reaches", "flip_flop"]},
        "cases": [{"network.kind": "lstm"}, {"task.n_steps": 150}],
        "replicates": 1,
    }
    configs = [each.config for each in expand(Config.from_dict(data)).members]
    masses = [each.plant and each.plant.mass for each in configs]  # pyright: ignore[reportAttributeAccessIssue]
    assert masses == [3.0, None, 3.0, None]
    assert [each.task.n_steps for each in configs] == [99, 100, 150, 150]
    losses = [each.loss.model_dump() for each in configs]
    assert [each.get("output") for each in losses] == [None, 0.5, None, 0.5]
    assert [each.get("position") for each in losses] == [0.25, None, 0.25, None]


def test_with_methods_swept_an_option_applies_to_the_method_that_knows_it():
    data = {"perturbation": {"method": "std", "low": -1, "scaled_context": True}, "replicates": 1}
    data["sweep"] = {"perturbation.method": ["active", "std", "none"]}
    settings = [each.config.perturbation.model_dump() for each in expand(Config.from_dict(data)).members]  # pyright: ignore
    rest = {"field": "curl", "field_std": 0.0}
    assert settings == [
        {"method": "active", **rest, "low": -1.0},
        {"method": "std", **rest, "scaled_context": True},
        {"method": "none"},
    ]


def test_defaults_follow_what_is_swept():
    data = {"sweep": {"training.iterations": [10, 20]}, "replicates": 1}
    configs = [each.config for each in expand(Config.from_dict(data)).members]
    assert [each.training.checkpoints[-1] for each in configs] == [10, 20]


VALUES = {
    "perturbation.method": ["active", "std", "amplitude", "none"],
    "task.kind": ["simple_reaches", "delayed_reaches", "flip_flop"],
    "network.hidden_size": [10, 20],
    "optimizer.learning_rate": [1e-3, 0.1, 1],
    "optimizer.clip_norm": [1.0, 2],
    "loss.hidden": [0, 1e-5],
    "training.iterations": [30, 7],
    "seed": [1, 0],
}
BASES = st.fixed_dictionaries(
    {},
    optional={
        "perturbation.method": st.sampled_from(["active", "std"]),
        "optimizer.weight_decay": st.just(0.5),
        "optimizer.learning_rate": st.just(0.02),
        "task.dt": st.just(0.1),
        "plant.kind": st.just("two_link_arm"),
        "training.validate_every": st.just(3),
        "replicates": st.integers(1, 3),
    },
)


def some_of(values):
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


@st.composite
def swept(draw):
    """Return base, sweep and cases by dotted name, in a combination that makes sense."""
    keys = draw(st.lists(st.sampled_from(list(VALUES)), max_size=4, unique=True))
    in_sweep = keys[: draw(st.integers(0, len(keys)))]
    cases = [
        {
            key: draw(st.sampled_from(VALUES[key]))
            for key in keys
            if key not in in_sweep and draw(st.booleans())
        }
        for _ in range(draw(st.integers(0, 3)))
    ]
    base, sweep = draw(BASES), {key: draw(some_of(VALUES[key])) for key in in_sweep}
    # Methods and plants have no place in the flip-flop: only as base values may they go with it.
    assume(not ("task.kind" in keys and "perturbation.method" in keys))
    return base, sweep, cases


def without_place(values):
    bare = values.get("task.kind") == "flip_flop"
    return {key for key in values if bare and key.startswith(("plant", "perturbation"))}


@given(swept())
def test_every_network_is_what_a_file_of_its_own_would_say(data):
    base, sweep, cases = data
    given = nested(base) | ({"sweep": sweep} if sweep else {}) | ({"cases": cases} if cases else {})
    try:
        config = Config.from_dict(given)
    except ConfigError as error:
        assert "same networks twice" in str(error)
        return
    assert Config.from_dict(config.to_dict()) == config
    replicates = base.get("replicates", 3)
    expected = []
    for case in cases or [{}]:
        for values in itertools.product(*sweep.values()):
            own = {**base, **case, **dict(zip(sweep, values, strict=True)), "replicates": 1}
            own = {key: value for key, value in own.items() if key not in without_place(own)}
            expected += [(Config.from_dict(nested(own)), replicate) for replicate in range(replicates)]
    plan = expand(config)
    assert [(each.config, each.replicate) for each in plan.members] == expected
    assert [tuple(each.labels.values()) for each in plan.members] == list(
        itertools.product(*plan.dims.values())
    )


@given(swept())
def test_a_sweep_reads_back_from_yaml_as_the_same(tmp_path_factory, data):
    base, sweep, cases = data
    try:
        config = Config.from_dict(nested(base) | {"sweep": sweep, "cases": cases or None})
    except ConfigError as error:
        assert "same networks twice" in str(error)
        return
    path = tmp_path_factory.mktemp("sweep") / "config.yaml"
    path.write_text(config.to_yaml())
    again = Config.from_yaml(path)
    assert again == config and changed(config, again) == []
    assert expand(again) == expand(config)


# Groups.


def test_numbers_that_can_be_batched_make_one_group():
    cases = [
        {"perturbation.method": "active"},
        {"perturbation.method": "active", "perturbation.low": -1},
        {"perturbation.method": "amplitude"},
        {"perturbation.method": "std_uniform"},
        {"perturbation.scaled_context": True},
        {"perturbation.field_std": 1},
        {"feedback.noise_std": 0},
        {"motor.noise_std": 0},
        *({f"loss.{term}": 2} for term in ("position", "final_velocity", "force", "hidden", "readout_norm")),
        {"optimizer.learning_rate": 0.1},
        {"optimizer.weight_decay": 1},
        {"optimizer.clip_norm": 1},
    ]
    data = {"loss": {"readout_norm": 1}, "optimizer": {"clip_norm": 2}, "cases": cases}
    plan = expand(Config.from_dict({**data, "sweep": {"seed": [0, 1]}, "replicates": 2}))
    assert plan.groups() == [list(range(len(cases) * 2 * 2))]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("task.n_steps", [10, 20]),
        ("task.dt", [0.1, 0.2]),
        ("task.kind", ["simple_reaches", "delayed_reaches"]),
        ("network.kind", ["gru", "lstm"]),
        ("network.hidden_size", [10, 20]),
        ("plant.kind", ["point_mass", "two_link_arm"]),
        ("plant.mass", [1, 2]),
        ("feedback.delay", [0, 1]),
        ("perturbation.field", ["curl", "constant"]),
        ("perturbation.method", ["std", "none"]),
        ("training.batch_size", [10, 20]),
        ("training.iterations", [10, 20]),
        ("optimizer.constant_iterations", [0, 20]),
        ("loss.readout_norm_target", [1, 2]),
    ],
)
def test_what_changes_shapes_or_code_makes_groups(key, values):
    plan = expand(Config.from_dict({"sweep": {"seed": [1, 2], key: values}, "replicates": 1}))
    assert plan.groups() == [[0, 2], [1, 3]]


@pytest.mark.parametrize("key", ["optimizer.clip_norm", "loss.readout_norm"])
def test_whether_there_is_such_a_thing_makes_groups(key):
    cases = [{key: None}, {key: 1}, {key: 2}]
    assert expand(Config.from_dict({"cases": cases, "replicates": 1})).groups() == [[0], [1, 2]]
