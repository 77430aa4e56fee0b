"""`fpanalysis fig`: find and save recorded figures."""

from pathlib import Path
from typing import Annotated

import typer

from fpanalysis import cli_db
from fpanalysis.cli_output import Csv, Json, print_table, telling
from fpanalysis.cli_store import STORE, At, Files, Filters, opened, query_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Find and save recorded figures.")


@app.command()
def ls(words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False):
    """List figures."""
    cli_db.ls(["figures", *(words or ())], store, files, json, csv)


@app.command()
def varies(
    words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False
):
    """Show per type which of the figures' own, training and testing parameters vary."""
    cli_db.varies(["figures", *(words or ())], store, files, json, csv)


@app.command()
def save(
    folder: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")],
    words: Filters = None,
    formats: Annotated[
        str, typer.Option(help="Any of html, json, svg, png, pdf, with commas.")
    ] = "html,json",
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Say below each title what distinguishes the figure.")
    ] = False,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Save figures under names made from what varies among them, with an index.csv."""
    with telling(), opened(store, files) as db:
        figures = query_of(db, ["figures", *(words or ())])
        index = figures.save(folder, formats.split(","), annotate="varying" if annotate else None)  # pyright: ignore
        if json or csv:
            print_table(index, json, csv, "")
        else:
            print(f"{len(index)} figures in {folder}")
