"""A store: models, evaluations and figures, each kept once, found by their hyperparameters."""

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
import xarray as xr

from fpanalysis._files import made_folder
from fpanalysis._messages import listed
from fpanalysis.records import cached, check, clean, content, csv_tables, keep, rows, training, transfer
from fpanalysis.records.csv_tables import TablesWriter
from fpanalysis.records.engine import Opened, telling
from fpanalysis.records.entry import Entry
from fpanalysis.records.figures import Figures
from fpanalysis.records.objects import Objects
from fpanalysis.records.recipes import Producer, producer_of
from fpanalysis.records.record import Models, Query, Record
from fpanalysis.records.references import entries_of
from fpanalysis.records.tables import records

# Which version of `find_fixed_points` recorded fixed points are of. Raised when its results change.
FINDER = "1"


class Store:
    """Recorded models, evaluations and figures. `open_store` makes it.

    Attributes:
        folder: where its files are.
        engine: SQLAlchemy's, of its database.
        objects: its files.
        tables: its CSV tables.
        migrated_from: the version that its tables had before they were brought to the present one, or None.
    """

    def __init__(self, opened: Opened, folder: Path) -> None:
        self.engine = engine = opened.engine
        self.migrated_from = opened.migrated_from
        self.folder = folder
        self.objects = Objects(folder)
        self.tables = TablesWriter(engine, folder)
        # For scripts that never close it. A method of the store itself would keep it alive.
        self._closing = weakref.finalize(self, _closed, engine, self.tables)

    @property
    def models(self) -> Models:
        """All models."""
        return Models(self, content.MODEL)

    @property
    def evaluations(self) -> Query:
        """All datasets: what `evaluate` and `fixed_points` computed, and what was added."""
        return Query(self, content.EVALUATION)

    @property
    def figures(self) -> Figures:
        """All figures."""
        return Figures(self, content.FIGURE)

    def add_model(
        self,
        model: Any,
        params: Mapping[str, Any],
        *,
        type: str | None = None,
        results: Mapping[str, Any] | None = None,
        label: str = "",
        parents: Sequence[Any] = (),
    ) -> Record:
        """Record a trained model. The same model with the same parameters is one record.

        Args:
            model: a `Controller`, a `Network` or a `VectorField`.
            params: all its hyperparameters, nested or with dotted names.
            type: what kind of model it is; by default the name of its class.
            results: what came out of the training, such as its loss; found like parameters.
            label: free text.
            parents: what it was made from, such as the model that it was first.

        Raises:
            TypeError: the model or a parameter cannot be kept.
            ValueError: a parameter has the name of something else that records are found by.
        """
        content.check_kind(model, content.MODEL, "model")
        type_ = type or content.class_name(model)
        return self._record(keep.Item(model, type_, params, results or {}, label), parents)

    def add_evaluation(
        self, ds: xr.Dataset, *, type: str, parents: Sequence[Any], label: str = "", **params: Any
    ) -> Record:
        """Record a dataset that was computed elsewhere.

        Args:
            ds: the dataset.
            type: what it holds.
            parents: the models or datasets that it was made from.
            label: free text.
            **params: what it was computed with.

        Raises:
            TypeError: the dataset or a parameter cannot be kept.
            ValueError: a parent is not in the store.
        """
        content.check_kind(ds, content.EVALUATION, "ds")
        return self._record(keep.Item(ds, type, params, label=label), parents)

    def add_figure(
        self, fig: Any, *, type: str, parents: Sequence[Any], label: str = "", **params: Any
    ) -> Record:
        """Record a plotly figure.

        Args:
            fig: the figure.
            type: what it shows, such as `"spectrum"`.
            parents: what was drawn: datasets that this store returned (or selections of them), records, or
                models.
            label: free text.
            **params: how it was drawn.

        Raises:
            TypeError: the figure or a parameter cannot be kept.
            ValueError: a parent is not in the store.
        """
        content.check_kind(fig, content.FIGURE, "fig")
        return self._record(keep.Item(fig, type, params, label=label), parents)

    def evaluate(
        self,
        model: Any,
        function: Callable[..., xr.Dataset],
        *,
        type: str | None = None,
        version: str | None = None,
        **params: Any,
    ) -> xr.Dataset:
        """Return `function(model, **params)`, computed once for every model and set of parameters.

        Computed anew it is when the model's weights, a parameter or the function's version changed.

        Args:
            model: a recorded model, its record, or a query that finds several, which becomes an `Ensemble`;
                or a dataset of this store, its record, or a list of such.
            function: takes the model and the parameters, and returns a dataset.
            type: under which the result is recorded; by default the name of the function.
            version: of the function; by default what `versioned` said. Change it when the function's results
                change.
            **params: its other arguments.

        Raises:
            ValueError: the model is not in the store.
            TypeError: an argument cannot be recorded, or the function returns no dataset.

        Warns:
            UserWarning: the function's code changed since the result was computed, but not its version; or
                the result's file is damaged, so that it was computed anew.
        """
        producer = producer_of(function, type, version)
        return cached.cached(self, model, producer, params, lambda loaded: function(loaded, **params))

    def fixed_points(self, model: Any, goal: Any = None, **options: Any) -> xr.Dataset:
        """Return what `find_fixed_points` finds, computed once like everything that `evaluate` returns.

        Args:
            model: a recorded model, its record, or a query, which becomes an ensemble.
            goal: as for `find_fixed_points`.
            **options: its other arguments.
        """
        from fpanalysis.find import find_fixed_points

        shown = {k: options.pop(k) for k in ("progress", "memory_limit") if k in options}
        producer = Producer("fixed_points", "fpanalysis.find_fixed_points", FINDER, "")
        params = {"goal": goal, "loop": "clamped", "spectra": "full", "seed": 0} | options
        params = {name: value for name, value in params.items() if value is not None}
        return cached.cached(
            self, model, producer, params, lambda loaded: find_fixed_points(loaded, goal, **options, **shown)
        )

    def train(self, config: Any, *, progress: bool = True) -> Models:
        """Train the networks that a configuration asks for and that are not recorded yet, and record them.

        Every network is recorded with its whole configuration, and found by any part of it; what came of it
        (`validation_loss`, `is_best`, …) is found under `result.`. The run's folder lies in `runs` within the
        store; a run that was killed goes on when it is asked for again. The history of the run is recorded as
        an evaluation of type `training_history`.

        Args:
            config: as for `fpanalysis.train`.
            progress: whether to show a progress bar and messages.

        Returns:
            The models of the configuration, whether they were there or not.

        Raises:
            ConfigError: the configuration does not hold.
        """
        from fpanalysis.training.trainer import checked

        name = Path(config).stem if isinstance(config, str | os.PathLike) else "run"
        return training.train(self, checked(config), name, progress)

    def tag(self, what: Any, *tags: str) -> None:
        """Give records a word to be found by.

        Args:
            what: a record, a query, or what else stands for records as a parent does.
            *tags: the words.
        """
        keep.tag(self, entries_of(self, [what], "what"), tags)

    def read(self, entry: Entry) -> Any:
        """Return the object of a record; a dataset says in its attribute `record` which it is.

        Raises:
            StoreError: its file is missing or not as it was written.
        """
        found = self.objects.read(entry)
        return found.assign_attrs({content.RECORD: entry.hash}) if isinstance(found, xr.Dataset) else found

    def record(self, hash_: str) -> Record:
        """Return the record whose hash begins so.

        Raises:
            LookupError: there is none, or there are several.
        """
        with self.reading() as connection:
            which = records.c.hash.startswith(hash_, autoescape=True)
            found = rows.entries(connection, connection.scalars(sa.select(records.c.id).where(which)).all())
        if len(found) != 1:
            several = listed((entry.hash[:12] for entry in found), 4)
            raise LookupError(f"there is no record {hash_!r}" if not found else f"{hash_!r} may be {several}")
        return Record(self, found[0])

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection whose statements all see the same state."""
        with telling(self.engine), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that nobody else writes in."""
        with telling(self.engine), self.engine.connect() as plain:
            connection = plain.execution_options(is_writing=True)
            with connection.begin():
                yield connection

    def export(self, folder: str | os.PathLike[str] | None = None, only: Query | None = None) -> list[Path]:
        """Write records as CSV, a file for each kind.

        This happens by itself when the store closes, and at most every 30 s while records are added. Here,
        sidecars of objects that were lost are written too.

        Args:
            folder: where to; by default that of the store.
            only: write these records; by default all.

        Returns:
            The files.

        Raises:
            ValueError: the folder is that of the store, whose tables are to hold all records.
        """
        if only is not None:
            folder = self._elsewhere(folder)
            with self.reading() as connection:
                return [csv_tables.write_some(connection, only.kind, only.ids(connection), folder)]
        if folder is None:
            keep.complete_sidecars(self)
            return self.tables.write()
        return csv_tables.write(self.engine, made_folder(folder, "folder"))

    def check(self, only: Query | None = None, *, progress: bool = True) -> pd.DataFrame:
        """Look at every file and at the database.

        Args:
            only: look at the files of these records, and at nothing else.
            progress: whether to show a progress bar.

        Returns:
            One row for everything that is wrong, with columns `where` (a file, relative to the store),
            `record` (its hash, empty if there is none), `problem` (`missing`, `cut`, `longer`, `changed`,
            `foreign`, `left over`, `lost`, `partial`, `damaged`,
            `untrusted`) and `message` (what is wrong, and what to do). No
            row means that all is well.
        """
        return check.check(self, only, progress)

    def gc(self, *, dry_run: bool = True, min_age: float | int = 3600.0) -> pd.DataFrame:
        """Move what processes that were killed have left behind to the folder `trash` of the store.

        Files of which a sidecar tells are kept, even if the database has lost their record. What has been in
        the trash for a week is removed.

        Args:
            dry_run: only tell what would be moved or removed.
            min_age: in seconds. Younger files may be of somebody who is about to record them.

        Returns:
            One row for each file, with columns `where`, `what` and `size` in bytes.
        """
        return clean.gc(self, dry_run, min_age)

    def backup(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Copy the database to an SQLite file, while others read and write.

        Args:
            path: the file, which must not exist; by default a new one in the folder `backups` of the store.

        Returns:
            The file. The objects are not in it; `copy` takes these along.
        """
        return transfer.backup(self, path)

    def copy(self, what: Any, to: "Store", *, progress: bool = True) -> dict[str, int]:
        """Copy records to another store, with all that they were made from, and their files.

        Args:
            what: a query, a record, or a list of such.
            to: the other store.
            progress: whether to show a progress bar.

        Returns:
            How many records were `copied`, and how many were `there` already.

        Raises:
            StoreError: a file is missing or not as it was written; nothing is recorded then.
        """
        return transfer.copy(self, what, to, progress)

    def close(self) -> None:
        """Write the tables as CSV if anything was added, and let the database go."""
        self.tables.finish()
        self.engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(each)} {each.kind}s" for each in (self.models, self.evaluations, self.figures)
        )
        return f"<records store in {str(self.folder)!r}: {counts}>"

    def _elsewhere(self, folder: str | os.PathLike[str] | None) -> Path:
        if folder is None or Path(folder).resolve() == self.folder:
            raise ValueError("folder: the store's own tables hold all records; name another folder for some")
        return made_folder(folder, "folder")

    def _record(self, item: keep.Item, parents: Sequence[Any]) -> Record:
        (entry,) = keep.insert(self, [keep.prepared(self, item, entries_of(self, parents, "parents"))])
        return Record(self, entry)


def _closed(engine: sa.Engine, tables: TablesWriter) -> None:
    tables.finish()
    engine.dispose()
