"""The command line: parse, call, print."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from fpanalysis import cli_db, cli_fig
from fpanalysis.cli_output import fail, words
from fpanalysis.cli_store import STORE, At, Files

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.add_typer(cli_db.app, name="db")
app.add_typer(cli_fig.app, name="fig")


@app.callback(invoke_without_command=True)
def _main(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Fixed points of trained recurrent networks and closed-loop controllers."""
    if show_version:
        print(version("fpanalysis"))
        raise typer.Exit


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file that says what to train.")],
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep the run in this folder, and record nothing in a store."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processor cores to train on; by default all, but no more than networks."),
    ] = None,
    store: At = STORE,
    files: Files = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train the networks that a configuration asks for, or go on where an earlier run stopped.

    They are recorded in a store with all their hyperparameters; those that it has are not trained again.
    """
    from fpanalysis.training.config import ConfigError

    try:
        _prepare(config, devices)
        if folder is None:
            _train_into(store, files, config, quiet)
        else:
            from fpanalysis.training import trainer

            trainer.train(config, folder=folder, progress=not quiet)
    except ConfigError as error:
        fail(str(error), 2)
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from where it was", 130)
    except Exception as error:  # whatever it is, a command line answers with a sentence
        fail(words(error), 1)
    print(_shown(store) if folder is None else folder)


def _shown(store: str) -> str:
    from fpanalysis.records.places import shown

    return shown(store)


def _prepare(config: Path, devices: int | None) -> None:
    from fpanalysis.training.config import Config
    from fpanalysis.training.sweep import expand

    members = expand(Config.from_yaml(config)).members
    _use_devices(min(_cores(), len(members)) if devices is None else devices, chosen=devices is not None)


def _train_into(store: str, files: Path | None, config: Path, quiet: bool) -> None:
    from fpanalysis.records.opening import open_store

    with open_store(store, files) as db:
        db.train(config, progress=not quiet)


def _use_devices(count: int, chosen: bool) -> None:
    """Let JAX see so many devices on the processor; it must not have computed anything yet."""
    import jax

    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        if chosen:
            raise ValueError("--devices: XLA_FLAGS sets the number of devices already; leave one of them out")
        return
    jax.config.update("jax_num_cpu_devices", count)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
