"""Texts in CSV that a spreadsheet shows and does not run."""

import re
from typing import Any

import pandas as pd

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# With these a formula begins, in half and full width. The apostrophe itself, so that it can be taken back.
_FIRST = "=+-@\t\r\n'＝＋－＠"


def as_text(value: Any) -> Any:
    """Return a cell: texts that a spreadsheet would take for a formula get an apostrophe before them.

    Example:
        >>> from fpanalysis.csv_text import as_text
        >>> as_text("=1+1"), as_text("-1.5"), as_text(-1.5), as_text("std")
        ("'=1+1", '-1.5', -1.5, 'std')
    """
    if isinstance(value, str) and value[:1] and value[0] in _FIRST and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def from_text(cell: str) -> str:
    """Return the text of a cell: the inverse of `as_text` for texts."""
    return cell[1:] if cell.startswith("'") else cell


def csv_of(table: pd.DataFrame, *, index: bool = False) -> str:
    """Return a table as CSV whose texts stay texts."""
    shown = table.astype(object).map(as_text)
    shown.columns = [as_text(name) for name in table.columns]
    return shown.to_csv(index=index)
