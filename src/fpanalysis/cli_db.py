"""`fpanalysis db`: find, compare and look after what a records store keeps."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
import yaml

from fpanalysis.cli_output import Csv, Json, fail, print_json, print_table, telling
from fpanalysis.cli_store import STORE, At, Files, Filters, opened, query_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Find and look after recorded results.")


@app.command()
def ls(words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False):
    """List models, evaluations or figures."""
    with telling(), opened(store, files) as db:
        query = query_of(db, words)
        if json:
            print_json([entry.to_dict() for entry in query.entries()])
        elif csv:
            print(query.df().to_csv(), end="")
        else:
            _print_short(query)


@app.command()
def show(
    hash_: Annotated[str, typer.Argument(metavar="HASH", help="Its beginning is enough.")],
    store: At = STORE,
    files: Files = None,
    json: Json = False,
) -> None:
    """Show everything that is known of one record."""
    from fpanalysis.records import values

    with telling(), opened(store, files) as db:
        known = db.record(hash_).entry.to_dict()
        if json:
            print_json(known)
        else:
            print(yaml.safe_dump(values.plain(known), sort_keys=False, allow_unicode=True), end="")


@app.command()
def diff(words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False):
    """Show in what records differ: two or more hashes, or filters."""
    from fpanalysis.records.tables_out import differences

    with telling(), opened(store, files) as db:
        if words and all("=" not in word for word in words) and not _is_kind(words[0]):
            entries = [db.record(word).entry for word in words]
        else:
            entries = query_of(db, words).entries()
        if len(entries) < 2:
            raise ValueError(f"expected at least two records to compare, found {len(entries)}")
        print_table(differences(entries), json, csv, "they do not differ")


@app.command()
def varies(
    words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False
):
    """Show which parameters vary among records, their values and counts."""
    with telling(), opened(store, files) as db:
        query = query_of(db, words)
        print_table(query.varies(), json, csv, f"nothing varies among {query!r}")


@app.command()
def export(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; by default the folder of the store.")
    ] = None,
    store: At = STORE,
    files: Files = None,
) -> None:
    """Write all records as CSV, a file for each kind."""
    with telling(), opened(store, files) as db:
        for path in db.export(folder):
            print(path)


@app.command()
def restore(store: At = STORE, files: Files = None) -> None:
    """Rebuild the database from the CSV tables and the files."""
    from fpanalysis.records.opening import open_store
    from fpanalysis.records.opening import restore as rebuild

    with telling():
        if "://" not in store and not Path(store).is_dir():
            raise ValueError(f"--store: there is no folder {store!r} here")
        problems = rebuild(store, files)
        with open_store(store, files) as db:
            print(f"{db!r}")
        for message in problems["message"]:
            print(message)
        if len(problems):
            raise typer.Exit(1)


@app.command()
def backup(
    path: Annotated[
        Path | None, typer.Argument(help="An SQLite file; by default a new one in `backups`.")
    ] = None,
    store: At = STORE,
    files: Files = None,
) -> None:
    """Copy the database to an SQLite file, while others read and write."""
    with telling(), opened(store, files) as db:
        print(db.backup(path))


@app.command()
def check(store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False) -> None:
    """Look at every file and at the database."""
    with telling(), opened(store, files) as db:
        wrong = db.check()
        if json or csv or wrong.empty:
            print_table(wrong, json, csv, f"all is well in {db!r}")
        else:
            for message in wrong["message"]:
                print(message)
            fail(f"{len(wrong)} problems", 1)
        if len(wrong):
            raise typer.Exit(1)


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; otherwise only list them.")] = False,
    min_age: Annotated[float, typer.Option(help="Spare files younger than this, in seconds.")] = 3600.0,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """List, and with --delete remove, what processes that were killed have left behind."""
    with telling(), opened(store, files) as db:
        found = db.gc(dry_run=not delete, min_age=min_age)
        print_table(found, json, csv, "nothing is left over")
        if not (json or csv or found.empty):
            size = f"{found['size'].sum() / 1e6:.1f} MB in {len(found)} files"
            print(f"{size}: removed" if delete else f"{size}; `--delete` removes them")


@app.command()
def migrate(store: At = STORE, files: Files = None) -> None:
    """Bring the tables of an older version to the present one, after a backup. Opening does it too."""
    from fpanalysis.records import schema

    with telling(), opened(store, files) as db:
        if db.migrated_from is None:
            print(f"the tables have the present version, {schema.HEAD}")
        else:
            print(f"the tables were brought from version {db.migrated_from} to {schema.HEAD}")


@app.command()
def copy(
    to: Annotated[Path, typer.Argument(help="Folder of the other store, made if there is none.")],
    words: Filters = None,
    store: At = STORE,
    files: Files = None,
) -> None:
    """Copy records to another store, with all that they were made from, and their files."""
    from fpanalysis.records.opening import open_store

    with telling(), opened(store, files) as db:
        query = query_of(db, words)
        with open_store(to) as other:
            counts = db.copy(query, other)
        print(f"copied {counts['copied']} records; {counts['there']} were there already")


def _is_kind(word: str) -> bool:
    return word.rstrip("s") in ("model", "evaluation", "figure")


def _print_short(query) -> None:
    """Print what tells records apart, and how much more there is."""
    from fpanalysis.records.apart import described

    entries, about = query.entries(), described(query.parameters())
    rows = []
    for entry in entries:
        row = {"hash": entry.hash[:8], "type": entry.type, **about[entry.hash].apart}
        if any(each.label for each in entries):
            row["label"] = entry.label
        if any(each.tags for each in entries):
            row["tags"] = ", ".join(entry.tags)
        rows.append(row | {"created": entry.created[:19].replace("T", " ")})
    print_table(pd.DataFrame(rows).fillna(""), False, False, f"{query!r}")
    if rows:
        print(f"\n{query!r}; columns are what varies. `db show HASH` tells all of one, `--csv` of all")
