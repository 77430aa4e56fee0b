"""Configurations that are refused, and in which words."""

import pytest
from config_data import refused, refused_file

from fpanalysis.training.config import Config, ConfigError


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_all_problems_are_told_with_their_lines():
    lines = refused_file(
        "task:\n"
        "  n_steps: 0\n"
        "optimizer:\n"
        "  weight_decay: -1\n"
        "  learning_rate: 3.0\n"
        "\n"
        "perturbation:\n"
        "  feild_std: 0.4\n"
        "seeds: 3\n"
    )
    assert lines == [
        "config.yaml, line 2: task.n_steps: expected a whole number of at least 1 and at most 1000000, got 0",
        "config.yaml, line 4: optimizer.weight_decay: expected a number of at least 0 and at most 1, got -1",
        "config.yaml, line 5: optimizer.learning_rate: expected a number above 0 and at most 1, got 3.0",
        "config.yaml, line 8: perturbation.feild_std: no such key (did you mean 'field_std'?); known keys: "
        "method, field, field_std, scaled_context",
        "config.yaml, line 9: seeds: no such key (did you mean 'seed'?); known keys: task, network, plant, "
        "feedback, motor, perturbation, loss, optimizer, training, seed, replicates, sweep, cases",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"0.8"', "'0.8'"),
        ('"0.8e"', "'0.8e'"),
        ("yes", "true"),
        ("", "null"),
        ("[0.1]", "[0.1]"),
        ("{a: 1}", "{'a': 1}"),
        ("2000-01-01", "datetime.date(2000, 1, 1)"),
        (".nan", "nan"),
        (".inf", "inf"),
        ("1e999", "inf"),
        ("0", "0"),
        ("1.5", "1.5"),
        ("1e1", "10.0"),
    ],
)
def test_what_is_no_number_in_the_range_is_refused(value, shown):
    assert refused_file(f"optimizer:\n  learning_rate: {value}\n") == [
        f"config.yaml, line 2: optimizer.learning_rate: expected a number above 0 and at most 1, got {shown}"
    ]


@pytest.mark.parametrize("value", ["true", "2.5", "'3'", "1e-1", "0", "-3", ".inf", "null"])
def test_what_is_no_whole_number_in_the_range_is_refused(value):
    (line,) = refused_file(f"network:\n\n  hidden_size: {value}\n")
    start = (
        "config.yaml, line 3: network.hidden_size: expected a whole number of at least 1 and at most 100000"
    )
    assert line.startswith(f"{start}, got ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"network": {"kind": "gro"}},
            "network.kind: expected one of 'gru', 'lstm', 'tanh', got 'gro' (did you mean",
        ),
        ({"task": {"kind": "flipflop"}}, "(did you mean 'flip_flop'?)"),
        (
            {"task": {"kind": 3}},
            "task.kind: expected one of 'simple_reaches', 'delayed_reaches', 'flip_flop', 'con",
        ),
        ({"plant": {"kind": None}}, "plant.kind: expected one of 'point_mass', 'two_link_arm', got null"),
        ({"plant": {"kind": "arm", "mas": 1}}, "plant.mas: no such key (did you mean 'mass'?)"),
        (
            {"plant": {"lengths": [1, 2]}},
            "plant.lengths: does not apply to plant.kind 'point_mass', only to 'two_link",
        ),
        (
            {"perturbation": {"low": 0}},
            "perturbation.low: does not apply to perturbation.method 'std', only to 'act",
        ),
        (
            {"loss": {"output": 1}},
            "loss.output: does not apply to task.kind 'simple_reaches'; known keys: position",
        ),
        ({"perturbation": {"method": "std", "scaled_context": 1}}, "expected true or false, got 1"),
        (
            {"perturbation": {"method": "active", "low": 1}},
            "perturbation.low: expected a number below 1, got 1",
        ),
        ({"optimizer": {"clip_norm": 0}}, "optimizer.clip_norm: expected a number above 0 or null, got 0"),
        (
            {"plant": {"kind": "two_link_arm", "masses": [1]}},
            "plant.masses: expected a list of 2 numbers above 0, got",
        ),
        (
            {"plant": {"workspace": [[0, 0], [1]]}},
            "plant.workspace: expected a list of 2 lists of 2 numbers, got",
        ),
        (
            {"plant": {"workspace": [[0, 0], [1, 0]]}},
            "expected [[x_min, y_min], [x_max, y_max]], minima below maxima",
        ),
        ({"training": {"checkpoints": [5, 3]}}, "rising, up to the last (5000), got [5, 3]"),
        ({"training": {"checkpoints": []}}, "training.checkpoints: expected at least one iteration"),
        ({"training": {"checkpoints": [6], "iterations": 5}}, "up to the last (5), got [6]"),
        ({"training": {"checkpoints": [-1]}}, "expected a list of whole numbers of at least 0, got [-1]"),
        ({"network": [1]}, "network: expected keys and values, got [1]"),
        ({"network": "gru"}, "network: expected keys and values, got 'gru'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0 and at most 4294967295, got -1"),
        ({"replicates": 0}, "replicates: expected a whole number of at least 1"),
        (
            {"task": {"kind": "context_integration", "coherences": [0, 0]}},
            "at least one of them not 0, got [0.0, 0.0]",
        ),
        (
            {"task": {"kind": "delayed_reaches", "n_steps": 40}},
            "task.cue_window: expected two times in order, from 0 to below 2 s, the length of a trial, got",
        ),
    ],
)
def test_values_that_are_refused(data, message):
    lines = refused(data)
    assert len(lines) == (2 if "mas" in data.get("plant", {}) else 1)
    assert message in "\n".join(lines)


@pytest.mark.parametrize("kind", ["flip_flop", "context_integration"])
def test_sections_of_a_body_are_refused_where_the_task_has_none(kind):
    reason = f"does not apply to task.kind '{kind}'"
    assert refused_file(
        f"task: {{kind: {kind}}}\nplant: {{}}\nfeedback: {{delay: 1}}\nloss: {{position: 1}}\n"
    ) == [
        f"config.yaml, line 2: plant: {reason}, whose network moves no plant; leave 'plant' out",
        f"config.yaml, line 3: feedback: {reason}, whose network moves no plant; leave 'feedback' out",
        f"config.yaml, line 4: loss.position: {reason}; known keys: output, hidden, readout_norm, "
        "readout_norm_target",
    ]


def test_a_default_that_no_longer_fits_is_told_with_the_line_of_its_section():
    (line,) = refused_file("seed: 1\n\ntask:\n  kind: delayed_reaches\n  n_steps: 40\n")
    assert line.startswith("config.yaml, line 3: task.cue_window: expected two times in order")


def test_an_unknown_kind_brings_no_other_errors_with_it():
    (line,) = refused({"task": {"kind": "flip", "n_bits": 2}, "loss": {"output": 1}})
    assert line.startswith("task.kind: expected one of")


def test_a_mapping_with_keys_that_are_no_names_is_refused(unchecked):
    assert refused({3: 4})[0].startswith("[3]: no such key; known keys: task")
    assert refused({"motor": {3: 4}}) == ["motor[3]: no such key; known keys: noise_std"]
    assert refused([1]) == ["expected keys and values, got [1]"]


def test_sweeps_are_not_made_by_the_constructor():
    whole = Config.from_dict({})
    with pytest.raises(ValueError, match=r"Config\.from_dict"):
        Config(**{**dict(whole), "sweep": {"seed": [1]}})


# Files that are no YAML, or not what it should be.


def test_a_key_that_is_given_twice_is_refused():
    lines = refused_file("optimizer:\n  learning_rate: 0.1\n  weight_decay: 2\n  learning_rate: 0.2\n")
    assert lines == [
        "config.yaml, line 3: optimizer.weight_decay: expected a number of at least 0 and at most 1, got 2",
        "config.yaml, line 4: optimizer.learning_rate: given twice, first in line 2",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "config.yaml: expected keys and values, got an empty file"),
        ("# nothing\n", "config.yaml: expected keys and values, got an empty file"),
        ("null\n", "config.yaml, line 1: expected keys and values, got null"),
        ("- a\n- b\n", "config.yaml, line 1: expected keys and values, got ['a', 'b']"),
        ("text\n", "config.yaml, line 1: expected keys and values, got 'text'"),
        (
            "task:\n\tn_steps: 3\n",
            "config.yaml, line 2: not valid YAML: found character '\\t' that cannot start",
        ),
        (
            "task:\n  dt: 1\n n_steps: 3\n",
            "config.yaml, line 3: not valid YAML: expected <block end>, but found",
        ),
        (
            "task: {dt: 1\n",
            "config.yaml, line 2: not valid YAML: expected ',' or '}', but got '<stream end>'",
        ),
        (
            "seed: 1\n---\nseed: 2\n",
            "config.yaml, line 2: not valid YAML: expected a single document in the stream",
        ),
        (
            "seed: 1\nnetwork: !include x\n",
            "config.yaml, line 2: not valid YAML: could not determine a constructor",
        ),
        ("seed: 1\nplant: \x07\n", "config.yaml, line 2: not valid YAML: special characters are not allowed"),
        (b"seed: \xff\n", "config.yaml: expected text in UTF-8, got other bytes (invalid start byte)"),
        ("1: 2\n", "config.yaml, line 1: 1: expected a name as key, got int"),
        ("seed: 1\non: 2\n", "config.yaml, line 2: on: expected a name as key, got bool"),
        ("seed: 1\n[1, 2]: 2\n", "config.yaml, line 2: ?: expected a name as key, got seq"),
        ("seed: 2020-13-45\n", "config.yaml, line 1: seed: cannot be read: month must be in 1..12"),
        ("plant: &a {mass: [*a]}\n", "config.yaml, line 1: plant.mass[0]: contains itself"),
    ],
)
def test_files_that_are_refused(content, message):
    assert refused_file(content)[0].startswith(message)


def test_a_tab_is_told_to_be_one():
    assert refused_file("task:\n\tn_steps: 3\n")[0].endswith("; indent with spaces, not tabs")


def test_a_file_that_is_missing(tmp_path):
    (tmp_path / "reaches.yaml").write_text("seed: 1\n")
    with pytest.raises(
        ConfigError, match=r"^raeches\.yaml: no such file \(did you mean 'reaches\.yaml'\?\)$"
    ):
        Config.from_yaml("raeches.yaml")
    with pytest.raises(ConfigError, match=r"^there/reaches\.yaml: no folder 'there'$"):
        Config.from_yaml("there/reaches.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.from_yaml(tmp_path)
