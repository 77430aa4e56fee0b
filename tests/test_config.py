"""The training configuration: its defaults, and what is written back."""

import dataclasses
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import yaml
from config_data import configurations
from hypothesis import given
from hypothesis import strategies as st

from fpanalysis.control import fields
from fpanalysis.control.controller import Controller
from fpanalysis.control.network import KINDS, Network
from fpanalysis.control.plants import PointMass, TwoLinkArm
from fpanalysis.control.tasks import ContextIntegration, DelayedReaches, FlipFlop, SimpleReaches
from fpanalysis.control.tasks.perturbations import METHODS
from fpanalysis.training import losses
from fpanalysis.training.config import Config, ConfigError, changed

# Defaults: those of the classes that the sections stand for.


def defaults_of(cls):
    fields = dataclasses.fields(cls)
    return {each.name: each.default for each in fields if each.default is not dataclasses.MISSING}


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("simple_reaches", SimpleReaches),
        ("delayed_reaches", DelayedReaches),
        ("flip_flop", FlipFlop),
        ("context_integration", ContextIntegration),
    ],
)
def test_tasks_have_the_names_and_defaults_of_their_classes(kind, cls):
    of_the_plant = {"perturbation", "workspace", "reach_length"}
    expected = {key: value for key, value in defaults_of(cls).items() if key not in of_the_plant}
    settings = Config.from_dict({"task": {"kind": kind}}).task.model_dump()
    assert settings == {"kind": kind, **expected}


@pytest.mark.parametrize(("kind", "cls"), [("point_mass", PointMass), ("two_link_arm", TwoLinkArm)])
def test_plants_have_the_names_and_defaults_of_their_classes(kind, cls):
    plant = Config.from_dict({"plant": {"kind": kind}}).plant
    assert plant is not None
    assert plant.model_dump() == {"kind": kind, **defaults_of(cls)}


@pytest.mark.parametrize("method", METHODS)
def test_perturbations_have_the_names_and_defaults_of_their_classes(method):
    perturbation = Config.from_dict({"perturbation": {"method": method}}).perturbation
    assert perturbation is not None
    settings = perturbation.model_dump()
    assert settings.pop("method") == method
    of_the_section = {"field": "curl", "field_std": 0.0}  # the classes have no defaults for these
    expected = {
        key: value for key, value in defaults_of(METHODS[method]).items() if key not in of_the_section
    }
    assert settings == of_the_section | expected


def test_the_network_and_its_surroundings_have_the_defaults_of_their_classes():
    config = Config.from_dict({})
    assert config.feedback is not None and config.motor is not None
    network, controller = (inspect.signature(cls.create).parameters for cls in (Network, Controller))
    assert config.network.kind == network["kind"].default == controller["kind"].default
    assert config.network.hidden_size == network["hidden_size"].default == controller["hidden_size"].default
    assert config.feedback.delay == controller["feedback_delay"].default
    assert config.feedback.noise_std == controller["feedback_noise"].default
    assert config.motor.noise_std == controller["motor_noise"].default
    for kind in KINDS:
        assert Config.from_dict({"network": {"kind": kind}}).network.kind == kind


@pytest.mark.parametrize(
    ("kind", "loss"), [("simple_reaches", losses.reaching_loss()), ("flip_flop", losses.output_loss())]
)
def test_the_loss_has_the_terms_and_weights_of_the_default_loss(kind, loss):
    settings = Config.from_dict({"task": {"kind": kind}}).loss.model_dump()
    target = settings.pop("readout_norm_target")
    assert target == inspect.signature(losses.readout_norm).parameters["norm"].default
    assert settings.pop("readout_norm") is None
    assert settings == {term.name: weight for weight, term in loss.terms}


@given(configurations)
def test_the_classes_take_every_value_that_is_allowed(data):
    config = Config.from_dict(data)
    tasks = {
        "simple_reaches": SimpleReaches,
        "delayed_reaches": DelayedReaches,
        "flip_flop": FlipFlop,
        "context_integration": ContextIntegration,
    }
    tasks[config.task.kind](**config.task.model_dump(exclude={"kind"}))
    if config.plant is not None and config.plant.kind == "point_mass":
        PointMass(**config.plant.model_dump(exclude={"kind"}))
    if config.perturbation is not None and config.perturbation.method != "none":
        options = config.perturbation.model_dump(exclude={"method", "field"})
        METHODS[config.perturbation.method](field=fields.Curl(), **options)


@given(
    st.lists(st.floats(0.0, 1.1), min_size=2, max_size=2).map(sorted)
    | st.sampled_from([[0.0, 0.974], [0.0, 0.975], [0.0, 0.976], [0.975, 0.975]]),
    st.integers(19, 21),
)
def test_a_cue_is_refused_where_the_task_refuses_it(window, n_steps):
    try:
        DelayedReaches(cue_window=window, n_steps=n_steps)
    except ValueError:
        with pytest.raises(ConfigError, match=r"task\.cue_window"):
            Config.from_dict({"task": {"kind": "delayed_reaches", "cue_window": window, "n_steps": n_steps}})
    else:
        Config.from_dict({"task": {"kind": "delayed_reaches", "cue_window": window, "n_steps": n_steps}})


def test_ten_checkpoints_up_to_the_last_iteration_by_default():
    def checkpoints(iterations):
        return Config.from_dict({"training": {"iterations": iterations}}).training.checkpoints

    assert checkpoints(5000) == tuple(range(500, 5001, 500))
    assert checkpoints(3) == (1, 2, 3)
    assert checkpoints(25) == (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)


def test_nothing_of_a_body_where_the_task_has_none():
    config = Config.from_dict({"task": {"kind": "flip_flop"}})
    assert (config.plant, config.feedback, config.motor, config.perturbation) == (None,) * 4
    assert not {"plant", "feedback", "motor", "perturbation"} & config.to_dict().keys()


# Reading and writing.


@given(configurations)
def test_what_is_written_reads_back_as_the_same(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    config = Config.from_dict(data)
    path.write_text(config.to_yaml())
    assert Config.from_yaml(path) == config
    assert Config.from_dict(config.to_dict()) == config
    assert changed(config, Config.from_yaml(path)) == []


@given(configurations)
def test_another_yaml_reader_finds_every_value(data):
    config = Config.from_dict(data)
    read = yaml.safe_load(config.to_yaml())
    assert read == config.to_dict()
    for name, values in data.items():
        for key, value in values.items() if isinstance(values, dict) else []:
            assert read[name][key] == value
    for name, values in read.items():
        if isinstance(values, dict):
            assert values.keys() == type(getattr(config, name)).model_fields.keys()


def test_an_empty_section_has_its_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("network:\nfeedback:\n  # delay: 3\n")
    assert Config.from_yaml(path) == Config.from_dict({})


def test_numbers_that_yaml_takes_for_text_are_numbers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("optimizer: {weight_decay: 1e-5, learning_rate: .1E-2}\ntraining: {iterations: 2e3}\n")
    config = Config.from_yaml(path)
    assert yaml.safe_load(path.read_text())["optimizer"]["weight_decay"] == "1e-5"
    assert (config.optimizer.weight_decay, config.optimizer.learning_rate) == (1e-5, 1e-3)
    assert config.training.iterations == 2000 and isinstance(config.training.iterations, int)


def test_numbers_of_numpy_become_plain():
    data = {"plant": {"mass": np.float32(0.5)}, "network": {"hidden_size": np.int64(7)}}
    config = Config.from_dict(data)
    plant: Any = config.plant
    assert type(plant.mass) is float and type(config.network.hidden_size) is int
    assert yaml.safe_load(config.to_yaml())["network"]["hidden_size"] == 7


def test_a_configuration_cannot_be_changed_but_pickled():
    config = Config.from_dict({"sweep": {"seed": [1, 2]}})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        config.network.hidden_size = 3
    assert pickle.loads(pickle.dumps(config)) == config


def test_values_said_once_may_be_used_again(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("feedback: {noise_std: &noise 0.3}\nmotor: {noise_std: *noise}\n")
    config = Config.from_yaml(path)
    assert config.motor is not None
    assert config.motor.noise_std == 0.3


# Differences.


def test_what_changed_is_told_value_by_value():
    old = {"optimizer": {"learning_rate": 0.01}, "perturbation": {"method": "active", "low": -1}}
    new = {"optimizer": {"learning_rate": 0.02}, "sweep": {"seed": [1, 2]}}
    assert changed(Config.from_dict(old), Config.from_dict(new)) == [
        "perturbation.method: 'active' → 'std'",
        "perturbation.low: -1.0 → absent",
        "optimizer.learning_rate: 0.01 → 0.02",
        "seed: 0 → absent",
        "perturbation.scaled_context: absent → false",
        "sweep: seed: absent → [1, 2]",
    ]


def test_long_values_that_differ_late_are_told_to_differ():
    first, second = (Config.from_dict({"training": {"checkpoints": [*range(100), n]}}) for n in (100, 101))
    assert len(changed(first, second)) == 1
