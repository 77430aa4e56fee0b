"""The command line: what it passes on, what it prints, and how it ends."""

import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fpanalysis.cli
from fpanalysis.training import trainer
from fpanalysis.training.config import ConfigError

TWELVE = "sweep:\n  perturbation.method: [active, std]\n  seed: [1, 2]\nreplicates: 3\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder; nothing is trained, calls are noted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(fpanalysis.cli, "_cores", lambda: 8)
    Path("reaches.yaml").write_text(TWELVE)
    signature = inspect.signature(trainer.train)

    def invoke(*arguments, raises=None):
        calls, devices = [], []

        def train(*args, **kwargs):
            calls.append(dict(signature.bind(*args, **kwargs).arguments))
            if raises is not None:
                raise raises

        monkeypatch.setattr(trainer, "train", train)
        # JAX may have computed something in this process already, and then refuses.
        monkeypatch.setattr("jax.config.update", lambda name, value: devices.append((name, value)))
        result = CliRunner().invoke(fpanalysis.cli.app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result, calls, devices

    return invoke


def test_a_configuration_is_trained_in_a_folder(run):
    result, calls, devices = run("train", "reaches.yaml", "--folder", "reaches")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "reaches\n", "")
    assert calls == [{"config": Path("reaches.yaml"), "folder": Path("reaches"), "progress": True}]
    assert devices == [("jax_num_cpu_devices", 8)]


def test_options_are_passed_on(run):
    result, (call,), devices = run("train", "reaches.yaml", "--folder", "out/a", "--devices", "3", "--quiet")
    assert call == {"config": Path("reaches.yaml"), "folder": Path("out/a"), "progress": False}
    assert devices == [("jax_num_cpu_devices", 3)] and result.stdout == "out/a\n"


def test_no_more_devices_than_networks(run):
    Path("reaches.yaml").write_text("replicates: 2\n")
    assert run("train", "reaches.yaml", "--folder", "out")[2] == [("jax_num_cpu_devices", 2)]


def test_flags_of_the_environment_are_kept(run, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=5")
    result, calls, devices = run("train", "reaches.yaml", "--folder", "out")
    assert (result.exit_code, len(calls), devices) == (0, 1, [])
    result, calls, devices = run("train", "reaches.yaml", "--folder", "out", "--devices", "2")
    assert (result.exit_code, calls, devices) == (1, [], [])
    assert result.stderr == "--devices: XLA_FLAGS sets the number of devices already; leave one of them out\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seeds: 1\n", "reaches.yaml, line 1: seeds: no such key (did you mean 'seed'?); known keys: "),
        (
            "seed: -1\nreplicates: 0\n",
            "reaches.yaml, line 2: replicates: expected a whole number of at least 1",
        ),
        ("", "reaches.yaml: expected keys and values, got an empty file\n"),
    ],
)
def test_a_wrong_configuration_is_told_and_nothing_is_trained(run, content, message):
    Path("reaches.yaml").write_text(content)
    result, calls, devices = run("train", "reaches.yaml", "--folder", "out")
    assert (result.exit_code, result.stdout, calls, devices) == (2, "", [], [])
    assert message in result.stderr and len(result.stderr.splitlines()) == len(content.splitlines() or [1])


def test_a_missing_file_is_told_with_the_nearest_name(run):
    result, calls, _ = run("train", "reachs.yaml")
    assert (result.exit_code, calls) == (2, [])
    assert result.stderr == "reachs.yaml: no such file (did you mean 'reaches.yaml'?)\n"


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (ConfigError("folder: holds another run"), 2, "folder: holds another run"),
        (FileExistsError("folder: 'a' is not empty"), 1, "folder: 'a' is not empty"),
        (MemoryError("sweep: 9 networks would take"), 1, "sweep: 9 networks would take"),
        (KeyError("weights"), 1, "KeyError: 'weights'"),
        (ValueError(), 1, "ValueError: "),
        (KeyboardInterrupt(), 130, "stopped; the same command goes on from where it was"),
    ],
)
def test_errors_are_one_sentence_and_a_code(run, raised, code, message):
    result, _, _ = run("train", "reaches.yaml", "--folder", "out", raises=raised)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message + "\n")


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_the_number_of_devices_is_a_number_from_one(run, count):
    result, calls, _ = run("train", "reaches.yaml", "--devices", count)
    assert (result.exit_code, calls) == (2, []) and "--devices" in result.stderr


def test_the_version_is_that_of_the_package(run):
    assert run("--version")[0].stdout == version("fpanalysis") + "\n"


def test_help_tells_of_every_option(run):
    text = run("train", "--help")[0].stdout
    assert all(option in text for option in ("--folder", "--devices", "--quiet", "--store"))
    assert "train" in run("--help")[0].stdout


DEVICES = """
import sys
from fpanalysis.training import trainer
from fpanalysis import cli

def train(*args, **kwargs):
    import jax
    print(jax.device_count())

trainer.train = train
cli.app(["train", "reaches.yaml", "--folder", "reaches", "--devices", "3"])
"""


def test_jax_sees_the_devices(tmp_path):
    (tmp_path / "reaches.yaml").write_text(TWELVE)
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEVICES],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\nreaches\n", "")
