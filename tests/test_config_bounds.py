"""Configurations that are too large, too long or too deep: refused at once, in one clear error."""

import os
import time

import pytest
from config_data import refused, refused_file

from fpanalysis.training.config import Config, ConfigError
from fpanalysis.training.sweep import expand

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
# Content of a file, and what the first line of the error says.
FILES = {
    "aliases of aliases": (
        "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2000)),
        "line [0-9]+: nested more than 20 deep",
    ),
    "lists within lists": ("[" * 100_000, "expected a configuration, got YAML that is more than 20 deep"),
    "mappings within mappings": ("{a: " * 100_000, "more than 20 deep"),
    "blocks within blocks": ("".join(" " * i + "a:\n" for i in range(1500)), "line 20: .*more than 20 deep"),
    "a long number": ("seed: " + "9" * 100_000, "seed: expected at most 1,000 characters"),
    "hexadecimal": ("seed: 0x" + "f" * 100_000, "seed: expected at most 1,000 characters"),
    "base 60": ("seed: 1" + ":59" * 100_000, "seed: expected at most 1,000 characters"),
    "a long word": ("task: {kind: " + "x" * 100_000 + "}", "task.kind: expected at most 1,000 characters"),
    "many keys": ("".join(f"k{i}: 1\n" for i in range(1001)), "expected at most 1,000 keys, got 1,001"),
    "many keys of a section": (
        "task:\n" + "".join(f"  k{i}: 1\n" for i in range(1001)),
        "task: expected at most 1,000 keys, got 1,001",
    ),
    "a long list": (
        f"training: {{checkpoints: [{'1,' * 10_001}]}}",
        "checkpoints: expected at most 10,000 entries",
    ),
    "a list in itself": ("a: &a [*a]", r"a\[0\]: contains itself"),
    "a large file": ("# words\n" * 2**20 + "seed: 1\n", "expected at most 8,388,608 bytes, got 8,388,616"),
    "keys given again and again": ("seed: 1\n" * 3000, "seed: given twice, first in line 1"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_too_much_is_refused_soon(what, tmp_path):
    content, message = FILES[what]
    path = tmp_path / "config.yaml"
    path.write_text(content)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=message):
        Config.from_yaml(path)
    assert time.monotonic() - began < 20


def test_aliases_that_expand_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fpanalysis.training._yaml.MOST_VALUES", 2000)  # sooner reached
    monkeypatch.chdir(tmp_path)
    message = "config.yaml, line 1: expected at most 2,000 values, got more, with those that aliases repeat"
    assert refused_file(BOMB) == [message]


def deep():
    value = [1]
    for _ in range(100_000):
        value = [value]
    return value


def endless():
    value = {}
    value["seed"] = value
    return value


MAPPINGS = [
    (lambda: {"seed": deep()}, "seed: is nested more than 20 deep"),
    (endless, "seed: is nested more than 20 deep"),
    (lambda: {"seed": 10**5000}, "seed: expected at most 1,000 digits, got more"),
    (lambda: {"sweep": {"seed": [-(10**5000)]}}, "sweep: seed: expected at most 1,000 digits, got more"),
    (
        lambda: {"sweep": {"seed": list(range(10_001))}},
        "sweep: seed: expected at most 10,000 entries, got 10,001",
    ),
    (lambda: {"cases": [{f"k{i}": 1 for i in range(11)}] * 10_000}, "holds more than 100,000 values"),
]


@pytest.mark.parametrize(("make", "line"), MAPPINGS)
def test_a_mapping_that_is_too_much_is_refused(make, line):
    assert refused(make()) == [line]


def test_so_many_problems_are_told_and_the_rest_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = refused_file("cases: [" + "{bogus.name: 1}," * 500 + "]")
    assert len(lines) == 51 and lines[-1] == "and 450 more"


def test_checkpoints_are_told_cut():
    (line,) = refused({"training": {"iterations": 5, "checkpoints": list(range(2000, 0, -1))}})
    assert len(line) < 200 and line.endswith("...")


def test_replicates_times_combinations_have_a_limit():
    (line,) = refused({"replicates": 100_000, "sweep": {"seed": list(range(2000))}})
    assert line.startswith("sweep: multiplies to 2,000 combinations: 200,000,000 networks, which would take")
    assert line.endswith("at most 100,000 networks are trained in one run")
    swept = {"seed": list(range(2000)), "plant.mass": list(range(1, 11))}
    (line,) = refused({"network": {"kind": "x"}, "replicates": "many", "sweep": swept})
    assert line.startswith("sweep: multiplies to 20,000 combinations: 60,000 networks")


def test_many_replicates_are_one_group():
    assert [len(each) for each in expand(Config.from_dict({"replicates": 20_000})).groups()] == [20_000]


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="expected a file, got a pipe"):
        Config.from_yaml(tmp_path / "a.yaml")
