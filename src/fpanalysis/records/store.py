"""`open_store`: models, evaluations and figures, each kept once, found by their hyperparameters."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis.records import content, query, rows, values
from fpanalysis.records.engine import open_postgresql, open_sqlite
from fpanalysis.records.entry import CURRENT, Entry, Recipe, circumstances, now, record_hash
from fpanalysis.records.objects import Objects
from fpanalysis.records.recipes import Producer, described, producer_of, warn_of_source
from fpanalysis.records.record import Models, Query, Record
from fpanalysis.records.references import entries_of, loaded
from fpanalysis.records.schema import StoreError
from fpanalysis.records.tables import records

# Which version of `find_fixed_points` recorded fixed points are of. Raised when its results change.
FINDER = "1"
_DATABASES = ("postgresql", "postgres")


def open_store(path: str | os.PathLike[str], files: str | os.PathLike[str] | None = None) -> "Store":
    """Open a records store, which is made if there is none.

    Args:
        path: a folder, which holds an SQLite database and all files; or the URL of a PostgreSQL database,
            such as `postgresql://user@host/name`.
        files: the folder of the files, with PostgreSQL.

    Returns:
        The store. Close it, or use it in a `with` statement, to have its tables written as CSV.

    Raises:
        StoreError: the folder is on a network file system, or the database does not answer, is damaged, or
            of a newer version.
        ValueError: the arguments do not go together.

    Example:
        >>> import tempfile, fpanalysis as fpa
        >>> with tempfile.TemporaryDirectory() as folder, fpa.open_store(folder) as db:
        ...     ensemble = fpa.datasets.delay_ensemble()
        ...     for model, labels in zip(ensemble, ensemble.labels):
        ...         record = db.add_model(model, labels)
        ...     db.models.where(delay=5).one().params
        {'delay': 5}
    """
    text = os.fspath(path)
    if text.partition("://")[0].partition("+")[0] in _DATABASES:
        if files is None:
            raise ValueError("files: expected the folder for files beside a PostgreSQL database, got none")
        return Store(open_postgresql(text), _made(files, "files"))
    if "://" in text:
        raise ValueError(f"path: expected a folder or the URL of a PostgreSQL database, got {text!r}")
    if files is not None:
        raise ValueError("files: a store in a folder keeps its files there; leave this out")
    folder = _made(path, "path")
    return Store(open_sqlite(folder), folder)


class Store:
    """Recorded models, evaluations and figures. `open_store` makes it.

    Attributes:
        folder: where its files are.
        engine: SQLAlchemy's, of its database.
    """

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self._objects = Objects(folder)

    @property
    def models(self) -> Models:
        """All models."""
        return Models(self, content.MODEL)

    @property
    def evaluations(self) -> Query:
        """All datasets: what `evaluate` and `fixed_points` computed, and what was added."""
        return Query(self, content.EVALUATION)

    @property
    def figures(self) -> Query:
        """All figures."""
        return Query(self, content.FIGURE)

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
        return self._add(
            model,
            type or content.class_name(model),
            params,
            results or {},
            parents,
            Producer("", "", "", ""),
            label,
        )

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
        return self._add(ds, type, params, {}, parents, Producer("", "", "", ""), label)

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
        return self._add(fig, type, params, {}, parents, Producer("", "", "", ""), label)

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
        return self._cached(model, producer, params, lambda loaded: function(loaded, **params))

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
        return self._cached(
            model, producer, params, lambda loaded: find_fixed_points(loaded, goal, **options, **shown)
        )

    def tag(self, what: Any, *tags: str) -> None:
        """Give records a word to be found by.

        Args:
            what: a record, a query, or what else stands for records as a parent does.
            *tags: the words.
        """
        for entry in entries_of(self, [what], "what"):
            words = list(dict.fromkeys([*entry.tags, *tags]))
            self._insert([replace(entry, tags=words)])

    def read(self, entry: Entry) -> Any:
        """Return the object of a record; a dataset says in its attribute `record` which it is.

        Raises:
            StoreError: its file is missing or not as it was written.
        """
        found = self._objects.read(entry)
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
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that nobody else writes in."""
        with self.engine.connect().execution_options(is_writing=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Write the tables as CSV, and let the database go."""
        self.engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(each)} {each._kind}s" for each in (self.models, self.evaluations, self.figures)
        )
        return f"<records store in {str(self.folder)!r}: {counts}>"

    def _cached(
        self, model: Any, producer: Producer, params: Mapping[str, Any], compute: Callable[[Any], Any]
    ) -> xr.Dataset:
        parents = entries_of(self, [model], "model")
        said = _checked_params(params)
        recipe = Recipe(
            content.EVALUATION,
            producer.type,
            said,
            tuple(each.content_hash for each in parents),
            producer.version,
        )
        if (known := self._current(recipe)) is not None:
            warn_of_source(known, producer)
            try:
                ds = self.read(known)
            except StoreError as error:
                warnings.warn(f"{error}. Computing it anew", stacklevel=3)
            else:
                self._trace(known, parents)
                return ds
        result = compute(loaded(model))
        if not isinstance(result, xr.Dataset):
            raise TypeError(
                f"function: expected {producer.type} to return a dataset, got {type(result).__name__}"
            )
        record = self._add(result, producer.type, params, {}, parents, producer, "")
        return result.assign_attrs({content.RECORD: record.hash})

    def _current(self, recipe: Recipe) -> Entry | None:
        with self.reading() as connection:
            which = (records.c.recipe_hash == recipe.hash) & (records.c.status == CURRENT)
            found = rows.entries(connection, connection.scalars(sa.select(records.c.id).where(which)).all())
        return found[-1] if found else None

    def _trace(self, known: Entry, parents: Sequence[Entry]) -> None:
        """Link what is known already to records with the same content as those that it was made from."""
        new = [each.hash for each in parents if each.hash not in known.parents]
        if new:
            self._objects.write_sidecar(known.with_parents(new))
            with self.writing() as connection:
                rows.add_parents(connection, known.hash, new)

    def _add(
        self,
        what: Any,
        type_: str,
        params: Mapping[str, Any],
        results: Mapping[str, Any],
        parents: Sequence[Any],
        producer: Producer,
        label: str,
    ) -> Record:
        said = _checked_params(params)
        above = entries_of(self, parents, "parents")
        kind = content.kind_of(what)
        hash_ = content.content_hash(what)
        recipe = Recipe(kind, type_, said, tuple(each.content_hash for each in above), producer.version)
        stored = self._objects.write(what, hash_, self._known_sha256(hash_))
        entry = Entry(
            hash=record_hash(recipe.hash, hash_),
            kind=kind,
            type=type_,
            label=label,
            recipe_hash=recipe.hash,
            content_hash=hash_,
            file=stored.file,
            file_sha256=stored.sha256,
            size=stored.size,
            created=now(),
            producer=producer.path,
            version=producer.version,
            source_hash=producer.source_hash,
            versions=circumstances(),
            params=said,
            results=values.nested(described(results, "results"), "results"),
            parents=[each.hash for each in above],
        )
        self._insert([entry])
        return Record(self, entry)

    def _insert(self, entries: Sequence[Entry]) -> None:
        """Write sidecars, then all records in one transaction."""
        for entry in entries:
            self._objects.write_sidecar(entry)
        with self.writing() as connection:
            for entry in entries:
                rows.insert(connection, entry)

    def _known_sha256(self, content_hash: str) -> str | None:
        with self.reading() as connection:
            found = sa.select(records.c.file_sha256).where(records.c.content_hash == content_hash).limit(1)
            return connection.scalar(found)


def _made(path: str | os.PathLike[str], argument: str) -> Path:
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{argument}: expected a folder, but {str(folder)!r} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _checked_params(params: Mapping[str, Any]) -> dict[str, Any]:
    said = values.nested(described(params))
    for name in said:
        if name in (*query.RESERVED, rows.RESULT):
            raise ValueError(
                f"params: {name!r} is what records are found by besides their parameters; rename it"
            )
    return said
