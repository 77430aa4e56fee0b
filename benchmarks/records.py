"""How fast a store of 100,000 records with 40 hyperparameters each answers; PostgreSQL too, if it is there.

Prints tables. A filter of three parameters is to take at most 100 ms, and `varies()` on its thousand hits
at most 150 ms, beside a scan of the JSON of all records in the same run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import sqlalchemy as sa
from measure import HERE, machine

from fpanalysis import between, missing, open_store
from fpanalysis.records import rows, values
from fpanalysis.records.entry import Entry, Recipe, circumstances, record_hash
from fpanalysis.records.store import Store
from fpanalysis.records.tables import records

PARAMETERS = 40
ASKED = {"field_std": 0.8, "method": "std", "hidden_size": [50, 100]}
WAYS = {
    "three parameters": ASKED,
    "two, and a range": {"method": "std", "hidden_size": 50, "learning_rate": between(1e-3, 1.1e-3)},
    "one that all have": {"kind": "gru"},
    "one that few lack": {"dropout": missing},
    "one of 100,000": {"seed": 4711},
}


def hyperparameters(number: int, dice: np.random.Generator) -> dict:
    """Return 40 hyperparameters as a sweep has them: some vary, many are the same in all."""
    params = {
        "perturbation": {
            "field_std": round(0.1 * (number % 20), 1),
            "method": ["std", "active"][number // 20 % 2],
        },
        "network": {"kind": "gru", "hidden_size": [25, 50, 100, 200, 400][number // 40 % 5], "bias": True},
        "optimizer": {"learning_rate": float(dice.uniform(1e-4, 1e-2)), "clip_norm": None},
        "task": {"n_steps": 100, "goals": [[0.0, 0.1], [0.2, 0.3]]},
        "seed": number,
        "replicate": number % 5,
    }
    if number % 1000:
        params["dropout"] = 0.1
    count = len(values.flat(params))
    params["more"] = {f"p{i:02d}": [i, f"word {i}", i / 7][i % 3] for i in range(PARAMETERS - count)}
    return params


def fill(db: Store, count: int) -> float:
    """Insert records without files; return the seconds it took."""
    began, about, dice = time.perf_counter(), circumstances(), np.random.default_rng(0)
    for first in range(0, count, 1000):
        with db.writing() as connection:
            for number in range(first, min(first + 1000, count)):
                rows.insert(connection, entry(number, hyperparameters(number, dice), about))
    return time.perf_counter() - began


def entry(number: int, params: dict, about: dict) -> Entry:
    said = values.nested(values.canonical(params))
    recipe, content = Recipe("model", "controller", said), values.digest(str(number))
    return Entry(
        record_hash(recipe.hash, content), "model", "controller", "", recipe.hash, content,
        f"objects/{content[:2]}/{content}.eqx", content, 1000, f"2026-01-01T00:00:00.{number:06d}+00:00",
        "fpanalysis.train", "1", "", about, said, {"validation_loss": number / 7},
    )  # fmt: skip


def timed(function: Callable[[], object], repeats: int) -> tuple[float, float, object]:
    """Return the first time, the median of later ones, and what came out."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - began)
    return seconds[0], median(seconds[1:]), result


def scan(db: Store) -> int:
    """Return how many records meet the three conditions, by reading the JSON of all."""
    found = 0
    with db.reading() as connection:
        for (text,) in connection.execute(sa.select(records.c.params)):
            params = json.loads(text)
            one = params["perturbation"]["field_std"] == 0.8 and params["perturbation"]["method"] == "std"
            found += one and params["network"]["hidden_size"] in (50, 100)
    return found


def report(name: str, db: Store, count: int, repeats: int) -> None:
    print(f"\n{name}: {count:,} records × {PARAMETERS} hyperparameters, filled in {fill(db, count):.0f} s")
    print(f"{'':34} {'hits':>7} {'first ms':>9} {'median ms':>10}")
    scanned = timed(lambda: scan(db), 3)
    print(f"{'scan of all JSON':34} {scanned[2]!s:>7} {1e3 * scanned[0]:9.1f} {1e3 * scanned[1]:10.1f}")
    for words, asked in WAYS.items():
        took = timed(lambda asked=asked: len(db.models.where(**asked)), repeats)
        print(f"{'filter: ' + words:34} {took[2]!s:>7} {1e3 * took[0]:9.1f} {1e3 * took[1]:10.1f}")
    query = db.models.where(**ASKED)
    for words, function in (("varies()", query.varies), ("df()", query.df)):
        took = timed(function, repeats)
        print(
            f"{words + ' of three parameters':34} {len(query):>7} {1e3 * took[0]:9.1f} {1e3 * took[1]:10.1f}"
        )


def upkeep(db: Store) -> None:
    began = time.perf_counter()
    written = db.export()
    size = sum(path.stat().st_size for path in written) / 1e6
    print(f"\ntables as CSV, {size:.0f} MB: {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    path = db.backup()
    print(f"backup of the database, {path.stat().st_size / 1e6:.0f} MB: {time.perf_counter() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    print("\n".join(machine()))
    with tempfile.TemporaryDirectory() as folder:
        with open_store(Path(folder, "sqlite")) as db:
            report("SQLite", db, asked.count, asked.repeats)
            upkeep(db)
        sys.path.append(str(HERE.parent / "tests"))
        from needs import postgresql

        with ExitStack() as stack:
            try:
                url = stack.enter_context(postgresql())
            except BaseException as error:  # pytest's way to say that a program is missing
                print(f"\nPostgreSQL: {error}")
                return
            with open_store(url, files=Path(folder, "postgresql")) as db:
                report("PostgreSQL", db, asked.count, asked.repeats)


if __name__ == "__main__":
    main()
