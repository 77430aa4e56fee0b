"""Sweeps that are refused, and in which words."""

from pathlib import Path

import pytest
from config_data import refused, refused_file

from fpanalysis.training.config import Config, ConfigError

KNOWN = (
    "known keys: perturbation.method, perturbation.field, perturbation.field_std, "
    "perturbation.scaled_context, perturbation.low"
)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_all_problems_of_a_sweep_are_told_with_their_lines():
    assert refused_file(
        "sweep:\n"
        "  perturbation.method: [active, stdd, active]\n"
        "  perturbation.feild_std: [1]\n"
        "  field_std: [1]\n"
        "  perturbation.field_std: 0.4\n"
        "  plant.mass: []\n"
        "  plant.workspace: [[[0, 0], [1, 1]]]\n"
        "  task: [a]\n"
        "  replicates: [1, 2]\n"
        "  seed:\n"
        "    - 1\n"
        "    - 2\n"
        "    - 1\n"
        "  optimizer.learning_rate: [0.1, 3]\n"
        "  optimizer.weight_decay: [1e-5, 0.00001]\n"
        "  optimizer.clip_norm: [null, 1]\n"
        "cases:\n"
        "  - seed: 3\n"
        "  - 3\n"
        "  - {perturbation.lo: 1}\n"
        "optimizer:\n"
        "  learning_rate: 4\n"
    ) == [
        "config.yaml, line 2: sweep: perturbation.method: expected one of 'std', 'active', 'amplitude', "
        "'std_uniform', 'none', got 'stdd' (did you mean 'std'?)",
        "config.yaml, line 2: sweep: perturbation.method: 'active' is listed twice",
        "config.yaml, line 3: sweep: perturbation.feild_std: no such key (did you mean "
        f"'perturbation.field_std'?); {KNOWN}",
        "config.yaml, line 4: sweep: field_std: no such key (did you mean 'perturbation.field_std'?); "
        "expected section and name of a value, such as plant.mass",
        "config.yaml, line 5: sweep: perturbation.field_std: expected a list of at least one value, got 0.4",
        "config.yaml, line 6: sweep: plant.mass: expected a list of at least one value, got []",
        "config.yaml, line 7: sweep: plant.workspace: cannot be swept, because its value is a list",
        "config.yaml, line 8: sweep: task: is a section; list its values by name, such as task.kind",
        "config.yaml, line 9: sweep: replicates: cannot be swept; for networks from other seeds, "
        "sweep 'seed'",
        "config.yaml, line 13: sweep: seed: 1 is listed twice",
        "config.yaml, line 14: sweep: optimizer.learning_rate: expected a number above 0 and at most "
        "1, got 3",
        "config.yaml, line 15: sweep: optimizer.weight_decay: 1e-05 is listed twice",
        "config.yaml, line 16: sweep: optimizer.clip_norm: null cannot be swept, because no axis has such a "
        "place; list it in 'cases'",
        "config.yaml, line 18: cases[0]: seed: set here, and in the sweep as well (line 10)",
        "config.yaml, line 19: cases[1]: expected names with values, such as {seed: 1}, got 3",
        "config.yaml, line 20: cases[2]: perturbation.lo: no such key (did you mean 'perturbation.low'?); "
        + KNOWN,
        "config.yaml, line 22: optimizer.learning_rate: expected a number above 0 and at most 1, got 4",
    ]


def test_a_bad_combination_is_named():
    lines = refused_file(
        "sweep:\n  perturbation.method: [active, std]\n  perturbation.low: [0, -1]\n  seed: [1, 2, 3]\n"
    )
    known = "; known keys: method, field, field_std, scaled_context"
    assert lines == [
        "config.yaml, line 3: sweep: perturbation.low: does not apply to perturbation.method 'std', only to "
        f"'active'{known} (in the combination perturbation.method=std, perturbation.low={low}, seed=1 and 2 "
        "others)"
        for low in ("0.0", "-1.0")
    ]


def test_what_is_wrong_in_all_combinations_is_told_once():
    assert refused_file("network: {hidden_size: 0}\nsweep:\n  seed: [1, 2, 3]\n") == [
        "config.yaml, line 1: network.hidden_size: expected a whole number of at least 1 and at most "
        "100000, got 0"
    ]


def test_checkpoints_beyond_the_last_iteration_of_some_networks():
    assert refused_file("training: {checkpoints: [9]}\nsweep:\n  training.iterations: [9, 5]\n") == [
        "config.yaml, line 1: training.checkpoints: expected at least one iteration, rising, up to the last "
        "(5), got [9] (in the combination training.iterations=5)"
    ]


def test_a_base_value_that_applies_to_no_method_is_refused():
    assert refused_file("perturbation: {low: 0}\nsweep:\n  perturbation.method: [std, amplitude]\n") == [
        "config.yaml, line 1: perturbation.low: does not apply to perturbation.method 'std', only to "
        "'active'; known keys: method, field, field_std, scaled_context"
    ]


def test_the_body_cannot_be_swept_without_one():
    for data in (
        {"task": {"kind": "flip_flop"}, "sweep": {"plant.mass": [2]}},
        {"cases": [{"task.kind": "flip_flop", "plant.mass": 1}]},
    ):
        (line,) = refused(data)
        assert "plant.mass: does not apply to task.kind 'flip_flop', whose network moves no plant" in line


def test_the_same_network_twice_is_refused():
    cases = [{"perturbation.method": "std"}, {"perturbation.field_std": 0}]
    assert refused({"cases": cases}) == [
        "cases: the same networks twice, perturbation.method=std and perturbation.field_std=0.0"
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sweep": [1]}, "sweep: expected names of values, each with a list, got [1]"),
        ({"sweep": 3}, "sweep: expected names of values, each with a list, got 3"),
        ({"cases": []}, "cases: expected a list of at least one combination of values, got []"),
        (
            {"cases": {"seed": 1}},
            "cases: expected a list of at least one combination of values, got {'seed': 1}",
        ),
        ({"cases": [None]}, "cases[0]: expected names with values, such as {seed: 1}, got null"),
        (
            {"cases": [{"seed": -1}]},
            "cases[0]: seed: expected a whole number of at least 0 and at most 4294967295",
        ),
        ({"sweep": {"seed": "12"}}, "sweep: seed: expected a list of at least one value, got '12'"),
        ({"sweep": {"seed": None}}, "sweep: seed: expected a list of at least one value, got null"),
        (
            {"sweep": {"seed": [True]}},
            "sweep: seed: expected a whole number of at least 0 and at most 4294967295, got",
        ),
        ({"sweep": {"plant.mass": ["0.8"]}}, "sweep: plant.mass: expected a number above 0, got '0.8'"),
        (
            {"sweep": {"sweep": [1]}},
            "sweep: sweep: no such key (did you mean 'seed'?); expected section and name of a value",
        ),
        ({"sweep": {"plan.mass": [1]}}, "sweep: plan.mass: no such key (did you mean 'plant.mass'?)"),
    ],
)
def test_sweeps_that_are_refused(data, message):
    (line,) = refused(data)
    assert line.startswith(message)


def test_an_empty_sweep_is_none():
    assert Config.from_dict({"sweep": {}}) == Config.from_dict({"sweep": None}) == Config.from_dict({})


def test_a_sweep_that_multiplies_to_too_much_says_so_at_once():
    path = Path("run.yaml")
    path.write_text(
        "network: {hidden_size: 100}\nsweep:\n"
        f"  seed: {list(range(2000))}\n  perturbation.field_std: {[i / 100 for i in range(500)]}\n"
    )
    # 3 gates of 100 × (100 + 10) weights, 20 bytes each
    gib = 3_000_000 * 3 * 100 * 110 * 20 / 2**30
    with pytest.raises(ConfigError) as caught:
        Config.from_yaml(path)
    assert str(caught.value) == (
        "run.yaml, line 2: sweep: multiplies to 1,000,000 combinations: 3,000,000 networks, which would take "
        f"about {gib:,.1f} GiB; at most 10,000 combinations are trained in one run"
    )
