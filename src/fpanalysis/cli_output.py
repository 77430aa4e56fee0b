"""What the command line answers with: tables, and errors in a sentence."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import pandas as pd
import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def words(error: Exception) -> str:
    """Return an error's message; with its kind, unless it is one that is written for users."""
    text = str(error)
    plain = text and isinstance(error, ValueError | OSError | MemoryError | RuntimeError | ImportError)
    lookup = type(error) is LookupError
    return text if plain or lookup else f"{type(error).__name__}: {text}"


def fail(message: str, code: int) -> NoReturn:
    """Print a message to the error stream, and end."""
    print(message, file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def telling() -> Iterator[None]:
    """Answer with a sentence whatever goes wrong."""
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        fail("stopped", 130)
    except BrokenPipeError:
        raise
    except Exception as error:
        fail(words(error), 1)


def print_table(table: pd.DataFrame, as_json: bool, as_csv: bool, nothing: str) -> None:
    """Print a table for people, or as JSON or CSV.

    Args:
        table: what to print.
        as_json: as a list of objects.
        as_csv: with a header.
        nothing: what to tell people if there is no row.
    """
    if as_json:
        print(table.to_json(orient="records", date_format="iso", indent=1, force_ascii=False))
    elif as_csv:
        from fpanalysis.csv_text import csv_of

        print(csv_of(table), end="")
    elif len(table):
        print(table.astype(object).where(table.notna(), "missing").to_string(index=False, justify="left"))
    else:
        print(nothing)


def print_json(what: object) -> None:
    """Print JSON."""
    print(json.dumps(what, indent=1, ensure_ascii=False, allow_nan=False))
