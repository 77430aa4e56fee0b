"""One record, and sets of records found by what is known of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import sqlalchemy as sa

from fpanalysis._messages import listed
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.records import content, query, rows, tables_out, values
from fpanalysis.records.ensembles import ensemble_of
from fpanalysis.records.entry import Entry
from fpanalysis.records.tables import links

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


class Record:
    """What is known of one model, evaluation or figure.

    Attributes:
        entry: everything, in canonical values.
    """

    def __init__(self, store: "Store", entry: Entry) -> None:
        self._store = store
        self.entry = entry

    @property
    def hash(self) -> str:
        """Its name: 64 hexadecimal digits, of which the first 8 usually tell."""
        return self.entry.hash

    @property
    def type(self) -> str:
        """What kind of model, evaluation or figure it is."""
        return self.entry.type

    @property
    def params(self) -> dict[str, Any]:
        """Its hyperparameters by dotted name."""
        return {name: values.plain(value) for name, value in values.flat(self.entry.params).items()}

    @property
    def results(self) -> dict[str, Any]:
        """What came out, by dotted name."""
        return {name: values.plain(value) for name, value in values.flat(self.entry.results).items()}

    @property
    def path(self) -> Path:
        """Its file."""
        return self._store.objects.path(self.entry)

    def load(self) -> Any:
        """Return the model, dataset or figure.

        Raises:
            StoreError: its file is missing or not as it was written.
        """
        return self._store.read(self.entry)

    def as_model(self) -> Any:
        """Return the model, for functions that analyse models."""
        if self.entry.kind != content.MODEL:
            raise TypeError(f"model: expected a record of a model, got one of a {self.entry.kind}")
        return self.load()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in list(self.params.items())[:6])
        more = ", …" if len(self.params) > 6 else ""
        return f"<{self.entry.kind} {self.type} {self.hash[:8]}: {shown}{more}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other.hash == self.hash

    def __hash__(self) -> int:
        return hash(self.entry.hash)


Q = TypeVar("Q", bound="Query")


class Query:
    """Records of one kind that meet conditions. It looks when it is asked, so it sees what came later.

    Attributes:
        kind: `model`, `evaluation` or `figure`.
    """

    def __init__(self, store: "Store", kind: str, conditions: tuple[query.Condition, ...] = ()) -> None:
        self._store = store
        self.kind = kind
        self._conditions = conditions

    def where(self: Q, **conditions: Any) -> Q:
        """Return the records of these that meet more conditions.

        Args:
            **conditions: by parameter its value, a list that means any of its values, `between(low, high)`,
                None, or `missing`. Of nested parameters the last name is enough where it tells; the full
                ones are dotted: `where(network=dict(hidden_size=50))`, or
                `where(**{"network.hidden_size": 50})`. Besides parameters there are `type`, `label`,
                `status` (`"current"` if left out), `hash` (the beginning is enough), `tag`, `producer` and
                `version`; of evaluations and figures `train` and `test`, each a mapping of conditions for the
                models and evaluations that they were made from.

        Raises:
            UnknownParameter: no record has such a parameter; the message says the nearest.
            ValueError: a short name means several parameters.
            TypeError: a value cannot be a parameter's.
        """
        with self._store.reading() as connection:
            known = query.all_names(connection)
        more = query.conditions_of(known, self.kind, conditions)
        return type(self)(self._store, self.kind, self._conditions + more)

    def df(self) -> pd.DataFrame:
        """Return a table with one row a record, its hash as index, and one column a hyperparameter."""
        return tables_out.frame(self.entries())

    def varies(self) -> pd.DataFrame:
        """Return which hyperparameters vary among these records, their values, and how often each occurs.

        Returns:
            Of models, columns `parameter`, `value` and `count`. Of evaluations and figures also `type`,
            within which records are compared, and `of`: whether the parameter is the record's `own`, or
            that of the models (`train`) or evaluations (`test`) that it was made from. `pandas.NA` stands
            for records that lack the parameter.
        """
        if self.kind == content.MODEL:
            with self._store.reading() as connection:
                texts = rows.param_texts(connection, self.ids(connection))
            found = tables_out.varying([values.flat(values.load(text)) for text in texts])
            return tables_out.as_frame(tables_out.counted(found), ("parameter", "value", "count"))
        table = []
        for type_, described in self.parameters().items():
            for of in ("own", *query.ANCESTORS):
                found = tables_out.varying([params[of] for params in described.values()])
                table += [(type_, of, *row) for row in tables_out.counted(found)]
        return tables_out.as_frame(table, ("type", "of", "parameter", "value", "count"))

    def one(self) -> Record:
        """Return the only record.

        Raises:
            LookupError: there is none, or there are several; the message says what tells them apart.
        """
        found = list(self)
        if len(found) == 1:
            return found[0]
        if not found:
            raise LookupError(f"one: no {self.kind} meets these conditions; varies() shows what there is")
        raise LookupError(f"one: there are {len(found)} {self.kind}s{self._differences(found)}")

    def load(self) -> Any:
        """Return what was recorded: of models an `Ensemble`, of evaluations and figures a list.

        Raises:
            StoreError: a file is missing or not as it was written.
        """
        return [self._store.read(entry) for entry in self.entries()]

    def entries(self) -> list[Entry]:
        """Return everything that is known of the records, oldest first."""
        with self._store.reading() as connection:
            return rows.entries(connection, self.ids(connection))

    def __len__(self) -> int:
        with self._store.reading() as connection:
            return len(self.ids(connection))

    def __iter__(self) -> Iterator[Record]:
        return iter([Record(self._store, entry) for entry in self.entries()])

    def __repr__(self) -> str:
        return f"<{len(self)} {self.kind}s>"

    def ids(self, connection: sa.Connection) -> Sequence[int]:
        """Return the ids of the records within the database."""
        known = query.all_names(connection)
        return connection.scalars(query.select_ids(self.kind, self._conditions, known)).all()

    def _differences(self, found: Sequence[Record]) -> str:
        apart = tables_out.varying([values.flat(record.entry.params) for record in found])
        if not apart:
            return " with the same parameters: " + listed(
                f"{record.hash[:8]} of {record.entry.created[:19]}" for record in found
            )
        lines = [
            f"{name}: {', '.join(str(tables_out.value_of(text)) for text in counts)}"
            for name, counts in apart.items()
        ]
        return "; what tells them apart:\n  " + "\n  ".join(lines)

    def parameters(self) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
        """Return by type and hash the canonical parameters of each record: `own`, `train` and `test`."""
        found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
        with self._store.reading() as connection:
            for entry, above in with_ancestors(connection, self.ids(connection)):
                params = {"own": values.flat(entry.params)}
                params |= {role: _shared(above.get(role, [])) for role in query.ANCESTORS}
                found.setdefault(entry.type, {})[entry.hash] = params
        return found


class Models(Query):
    """Recorded models that meet conditions; functions that analyse models take them as an ensemble."""

    def load(self) -> Ensemble:
        """Return the models with the hyperparameters that vary among them as dims.

        Raises:
            LookupError: there is none.
            StoreError: a file is missing or not as it was written.
        """
        entries = self.entries()
        if not entries:
            raise LookupError("load: no model meets these conditions; varies() shows what there is")
        return ensemble_of(entries, [self._store.read(entry) for entry in entries])

    def as_model(self) -> Ensemble:
        """Return the ensemble, for functions that analyse models."""
        return self.load()


def with_ancestors(
    connection: sa.Connection, numbers: Sequence[int]
) -> list[tuple[Entry, dict[str, list[Entry]]]]:
    """Return records, each with its ancestors by role."""
    numbers = sorted(numbers)
    pairs: dict[int, list[tuple[str, int]]] = {number: [] for number in numbers}
    for first in range(0, len(numbers), rows.BATCH):
        batch = numbers[first : first + rows.BATCH]
        found = sa.select(links).where(links.c.child.in_(batch), links.c.role.in_(query.ANCESTORS))
        for child, ancestor, role in connection.execute(found.order_by(links.c.ancestor)):
            pairs[child].append((role, ancestor))
    above = sorted({ancestor for own in pairs.values() for _, ancestor in own})
    known = dict(zip(above, rows.entries(connection, above), strict=True))
    entries = rows.entries(connection, numbers)
    result = []
    for entry, own in zip(entries, pairs.values(), strict=True):
        roles: dict[str, list[Entry]] = {}
        for role, ancestor in own:
            roles.setdefault(role, []).append(known[ancestor])
        result.append((entry, roles))
    return result


def _shared(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the parameters of one ancestor; of several, a list of values where they differ."""
    found: dict[str, list[Any]] = {}
    for entry in entries:
        for name, value in values.flat(entry.params).items():
            seen = found.setdefault(name, [])
            if value not in seen or any(type(value) is not type(other) for other in seen if other == value):
                seen.append(value)
    return {name: seen[0] if len(seen) == 1 else seen for name, seen in found.items()}
