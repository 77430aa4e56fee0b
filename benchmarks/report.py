"""Rows with a verdict, and tables of them as plain text or Markdown."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

COLUMNS = ("what", "measured", "must", "aim", "verdict")


@dataclass(frozen=True)
class Row:
    """One line of a table; every entry is ready to print."""

    what: str
    measured: str
    must: str = ""
    aim: str = ""
    verdict: str = ""


@dataclass
class Table:
    """The rows of one section, and remarks below them."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def number(value: float) -> str:
    """Return three significant digits, without an exponent where that is readable."""
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def measured(values: Sequence[float], unit: str = "") -> str:
    """Return the median of several measurements, and how far they spread."""
    text = number(median(values)) + (f" {unit}" if unit else "")
    if len(values) > 1 and min(values) != max(values):
        text += f"  [{number(min(values))}–{number(max(values))}]"
    return text


def at_most(
    what: str, values: Sequence[float], must: float | None, aim: float | None = None, unit: str = ""
) -> Row:
    """Return a row whose median should be small."""
    value = median(values)
    return Row(
        what,
        measured(values, unit),
        "" if must is None else f"≤ {number(must)} {unit}".rstrip(),
        "" if aim is None else f"≤ {number(aim)} {unit}".rstrip(),
        _verdict(value, must, aim),
    )


def at_least(
    what: str, values: Sequence[float], must: float | None, aim: float | None = None, unit: str = ""
) -> Row:
    """Return a row whose smallest value should be large."""
    value = min(values)
    text = ", ".join(number(v) for v in values) + (f" {unit}" if unit else "")
    wanted = ["" if bound is None else f"≥ {number(bound)} {unit}".rstrip() for bound in (must, aim)]
    invert = [None if bound is None else 1 / bound for bound in (must, aim)]
    return Row(what, text, *wanted, _verdict(1 / value if value else float("inf"), *invert))


def exactly(what: str, values: Sequence[int], must: int | None, aim: int | None = None) -> Row:
    """Return a row of counts that should all equal one number."""
    wanted = must if must is not None else aim
    off = max((v - wanted for v in values), key=abs, default=0) if wanted is not None else 0
    good = "" if wanted is None else ("meets must" if must is not None else "meets aim")
    if good and must is not None and must == aim:
        good = "meets aim"
    return Row(
        what,
        ", ".join(map(str, values)),
        "" if must is None else str(must),
        "" if aim is None else str(aim),
        good if off == 0 else f"falls short: {off:+d}" + ("" if must is not None else " of aim"),
    )


def _verdict(value: float, must: float | None, aim: float | None) -> str:
    # Relative slack for the rounding of bounds that were inverted.
    if aim is not None and value <= aim * (1 + 1e-12):
        return "meets aim"
    to_aim = f" (aim ×{number(value / aim)})" if aim else ""
    if must is not None and value <= must * (1 + 1e-12):
        return "meets must" + to_aim
    if must is None:
        return "" if aim is None else f"short of aim ×{number(value / aim)}"
    return f"falls short ×{number(value / must)}" if must else "falls short"


def show(table: Table, markdown: bool) -> str:
    """Return a table as text."""
    lines = [[getattr(row, name) for name in COLUMNS] for row in table.rows]
    width = [max([len(name), *(len(line[i]) for line in lines)]) for i, name in enumerate(COLUMNS)]
    if markdown:
        body = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
        body += ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([f"### {table.title}", "", *body, *("\n" + note for note in table.notes), ""])
    body = ["  ".join(text.ljust(w) for text, w in zip(line, width, strict=True)).rstrip() for line in lines]
    head = "  ".join(name.ljust(w) for name, w in zip(COLUMNS, width, strict=True)).rstrip()
    rule = "─" * (sum(width) + 2 * len(width) - 2)
    return "\n".join([table.title, rule, head, rule, *body, *(f"  {note}" for note in table.notes), ""])


def run(
    sections: dict[str, Callable[[], Iterator[Table]]], description: str | None, machine: list[str]
) -> None:
    """Run the sections that the command line asks for and print their tables."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=sections, metavar="NAME", help=", ".join(sections))
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    given = parser.parse_args()
    print("\n".join(("- " if given.markdown else "") + line for line in machine) + "\n", flush=True)
    for name in given.only or sections:
        for table in sections[name]():
            print(show(table, given.markdown), flush=True)
