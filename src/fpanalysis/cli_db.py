"""`fpanalysis db`: find, compare and look after what a records store keeps."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
import yaml

from fpanalysis.cli_output import Csv, Json, fail, print_json, print_table, telling
from fpanalysis.cli_store import STORE, At, Files, Filters, check_place, opened, query_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Find and look after recorded results.")


@app.command()
def ls(words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False):
    """List models, evaluations or figures."""
    with telling(), opened(store, files) as db:
        query = query_of(db, words)
        if json:
            print_json([entry.to_dict() for entry in query.entries()])
        elif csv:
            print_table(query.df().reset_index(), False, True, "")
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
    folder: Annotated[Path | None, typer.Option(help="Where to; by default the folder of the store.")] = None,
    words: Filters = None,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Write records as CSV, a file for each kind."""
    with telling(), opened(store, files) as db:
        written = db.export(folder, query_of(db, words) if words else None)
        _tell([{"file": str(path)} for path in written], "\n".join(map(str, written)), json, csv)


@app.command()
def restore(store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False) -> None:
    """Rebuild the database from the CSV tables and the files."""
    from fpanalysis.records.opening import restore as rebuild

    with telling():
        check_place(store)
        problems = rebuild(store, files)
        if json or csv:
            print_table(problems, json, csv, "")
        else:
            with opened(store, files) as db:
                print("\n".join([*problems["message"], repr(db)]))
        if len(problems):
            raise typer.Exit(1)


@app.command()
def backup(
    path: Annotated[
        Path | None, typer.Argument(help="An SQLite file; by default a new one in the folder backups.")
    ] = None,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Copy the database to an SQLite file, while others read and write."""
    with telling(), opened(store, files) as db:
        written = str(db.backup(path))
        _tell([{"file": written}], written, json, csv)


@app.command()
def check(
    words: Filters = None, store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False
):
    """Look at every file and at the database, or at the files of some records."""
    with telling(), opened(store, files) as db:
        query = query_of(db, words) if words else None
        wrong = db.check(query)
        if json or csv or wrong.empty:
            print_table(wrong, json, csv, f"all is well in {db if query is None else query!r}")
        else:
            print("\n".join(wrong["message"]))
            fail(f"{len(wrong)} {'problem' if len(wrong) == 1 else 'problems'}", 1)
        if len(wrong):
            raise typer.Exit(1)


@app.command()
def gc(
    delete: Annotated[
        bool, typer.Option("--delete", help="Move them to the trash; otherwise only list them.")
    ] = False,
    min_age: Annotated[float, typer.Option(help="Spare files younger than this, in seconds.")] = 3600.0,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """List, and with --delete move to the trash, what processes that were killed have left behind."""
    with telling(), opened(store, files) as db:
        found = db.gc(dry_run=not delete, min_age=min_age)
        print_table(found, json, csv, "nothing is left over")
        if not (json or csv or found.empty):
            size = f"{found['size'].sum() / 1e6:.1f} MB in {len(found)} files"
            print(f"{size}: moved to the trash" if delete else f"{size}; `--delete` moves them to the trash")


@app.command()
def migrate(store: At = STORE, files: Files = None, json: Json = False, csv: Csv = False) -> None:
    """Bring the tables of an older version to the present one, after a backup. Opening does it too."""
    from fpanalysis.records import schema

    with telling(), opened(store, files) as db:
        before = db.migrated_from
        told = (
            f"the tables have the present version, {schema.HEAD}"
            if before is None
            else f"the tables were brought from version {before} to {schema.HEAD}"
        )
        _tell([{"before": before or schema.HEAD, "now": schema.HEAD}], told, json, csv)


@app.command()
def copy(
    to: Annotated[Path, typer.Argument(help="Folder of the other store, made if there is none.")],
    words: Filters = None,
    store: At = STORE,
    files: Files = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Copy records to another store, with all that they were made from, and their files."""
    from fpanalysis.records.opening import open_store

    with telling(), opened(store, files) as db:
        query = query_of(db, words)
        if not len(query):
            raise ValueError("no record meets these conditions")
        with open_store(to) as other:
            counts = db.copy(query, other)
        told = f"copied {counts['copied']} records; {counts['there']} were there already"
        _tell([dict(counts)], told, json, csv)


def _tell(rows: list[dict[str, Any]], told: str, json: bool, csv: bool) -> None:
    """Print what was done: a sentence, or on request a table."""
    if json or csv:
        print_table(pd.DataFrame(rows), json, csv, "")
    else:
        print(told)


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
