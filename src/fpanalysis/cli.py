"""The command line: parse, call, print."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


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
        typer.Option(help="Where results are kept; by default in one named like the file."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processor cores to train on; by default all, but no more than networks."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train the networks that a configuration asks for, or go on where an earlier run stopped."""
    from fpanalysis.training.config import ConfigError

    folder = Path(config.stem) if folder is None else folder
    try:
        _train(config, folder, devices, quiet)
    except ConfigError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on from where it was", 130)
    except Exception as error:  # whatever it is, a command line answers with a sentence
        _fail(_words(error), 1)
    print(folder)


def _train(config: Path, folder: Path, devices: int | None, quiet: bool) -> None:
    from fpanalysis.training import trainer
    from fpanalysis.training.config import Config
    from fpanalysis.training.sweep import expand

    members = expand(Config.from_yaml(config)).members
    _use_devices(min(_cores(), len(members)) if devices is None else devices, chosen=devices is not None)
    trainer.train(config, folder=folder, progress=not quiet)


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


def _words(error: Exception) -> str:
    """Return an error's message; with its kind, unless it is one that is written for users."""
    text = str(error)
    plain = text and isinstance(error, ValueError | OSError | MemoryError)
    return text if plain else f"{type(error).__name__}: {text}"


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(code)
