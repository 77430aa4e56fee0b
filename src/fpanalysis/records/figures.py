"""Recorded figures: loaded with a line that tells them apart, and saved under names that do."""

import html
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from fpanalysis._files import made_folder, whole_file, write_whole
from fpanalysis._messages import nearest
from fpanalysis.csv_text import csv_of
from fpanalysis.records import images
from fpanalysis.records.apart import Described, described, word
from fpanalysis.records.record import Query

VARYING = "varying"
FORMATS = ("html", "json", *images.FORMATS)
INDEX = "index.csv"
_SCRIPT = "plotly.min.js"
# Names of files are cut to this, hash and ending apart; file systems take 255 bytes.
_LONGEST = 120


class Figures(Query):
    """Recorded figures that meet conditions."""

    def load(self, annotate: str | None = None) -> list[Any]:
        """Return the figures.

        Args:
            annotate: `"varying"` to say below each title by which parameters, its own and those of training
                and testing, the figure differs from the others of its type.

        Raises:
            StoreError: a file is missing or not as it was written.
            ValueError: `annotate` is something else.
        """
        if annotate not in (None, VARYING):
            raise ValueError(f"annotate: expected {VARYING!r} or None, got {annotate!r}")
        figures = [(entry.hash, self._store.read(entry)) for entry in self.entries()]
        if annotate is None:
            return [figure for _, figure in figures]
        about = described(self.parameters())
        return [_annotated(figure, about[hash_]) for hash_, figure in figures]

    def save(
        self,
        folder: str | os.PathLike[str],
        formats: Sequence[str] = ("html", "json"),
        *,
        annotate: str | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Write the figures to a folder, under names made from their varying parameters and their hashes.

        Args:
            folder: is made if it is not there. Files of the same names are replaced.
            formats: any of `html` (all of a folder share one script), `json` (plotly's, exact), `svg`, `png`
                and `pdf` (which need kaleido and a browser).
            annotate: as for `load`.
            progress: whether to show a progress bar.

        Returns:
            What stands in the file `index.csv` of the folder: one row a figure, with its name, type, hash,
            label, and parameters, under `own.`, `train.` and `test.`.

        Raises:
            ValueError: a format is unknown, or no figure meets the conditions.
            StoreError: a file is missing or not as it was written.
            ImportError: an image is asked for, and kaleido is not installed.
            RuntimeError: images could not be drawn; all else is there then.
        """
        formats = _checked(formats)
        entries, figures = self.entries(), self.load(annotate)
        if not entries:
            raise ValueError("save: no figure meets these conditions; varies() shows what there is")
        about = described(self.parameters())
        out = made_folder(folder, "folder")
        if "html" in formats:
            _write_script(out)
        names = _names({entry.hash: about[entry.hash] for entry in entries}, _known(out))
        rows, drawn = [], []
        with tqdm(total=len(entries), desc="saving", delay=1.0, disable=not progress, unit="figure") as bar:
            for entry, figure in zip(entries, figures, strict=True):
                own = about[entry.hash]
                path = out / names[entry.hash]
                drawn += _written(figure, path, formats)
                rows.append(_row(path.name, entry.hash, entry.label, own))
                bar.update()
            index = pd.DataFrame(rows).fillna("")
            with whole_file(out / INDEX) as partial:
                partial.write_text(csv_of(index), encoding="utf-8", newline="")
            bar.set_postfix_str("drawing images" if drawn else "", refresh=False)
            images.write_images(drawn)
        return index


def file_name(about: Described, hash_: str, digits: int = 8) -> str:
    """Return the name of a figure's file, without its ending; it ends in so many digits of the hash.

    Example:
        >>> from fpanalysis.records.apart import Described
        >>> from fpanalysis.records.figures import file_name
        >>> file_name(Described("spectrum", {}, {"field_std": "0.8", "method": "std"}), "0123456789abcdef")
        'spectrum_field_std=0.8_method=std_01234567'
    """
    said = "_".join([about.type, *(f"{name}={value}" for name, value in about.apart.items())])
    return f"{re.sub(r'[^A-Za-z0-9._=+-]+', '-', said)[:_LONGEST].strip('.-')}_{hash_[:digits]}"


def _names(about: Mapping[str, Described], known: Mapping[str, str]) -> dict[str, str]:
    """Return by hash the names of figures, none of which is that of another one, here or in the folder."""
    found: dict[str, str] = {}
    for digits in (8, 16, 64):
        tried = {hash_: file_name(about[hash_], hash_, digits) for hash_ in about if hash_ not in found}
        # File systems may take names for the same that differ in capitals.
        counts = Counter(name.lower() for name in [*tried.values(), *found.values()])
        for hash_, name in tried.items():
            if digits == 64 or (counts[name.lower()] == 1 and known.get(name.lower(), hash_) == hash_):
                found[hash_] = name
    return found


def _known(folder: Path) -> dict[str, str]:
    """Return whose files those are that were saved to a folder last, by name in small letters."""
    try:
        index = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)
        return {name.lower(): hash_ for name, hash_ in zip(index["name"], index["hash"], strict=True)}
    except (OSError, ValueError, KeyError):
        return {}


def _written(figure: Any, path: Path, formats: Sequence[str]) -> list[images.Image]:
    """Write a figure as HTML and JSON where that is asked for; return the images that remain to be drawn."""
    content = figure.to_json()
    if "json" in formats:
        write_whole(path.with_name(f"{path.name}.json"), content.encode())
    if "html" in formats:
        page = figure.to_html(include_plotlyjs=_SCRIPT, div_id=path.name)
        write_whole(path.with_name(f"{path.name}.html"), page.encode())
    chosen = [each for each in formats if each in images.FORMATS]
    return [images.Image(content, each, path.with_name(f"{path.name}.{each}")) for each in chosen]


def _annotated(figure: Any, about: Described) -> Any:
    line = ", ".join(f"{name} = {value}" for name, value in about.apart.items())
    if not line:
        return figure
    if not figure.layout.title.text:  # plotly shows no subtitle alone
        figure.update_layout(title_text=html.escape(about.type.replace("_", " ")))
    return figure.update_layout(title_subtitle_text=html.escape(line))


def _row(name: str, hash_: str, label: str, about: Described) -> dict[str, Any]:
    row = {"name": name, "type": about.type, "hash": hash_, "label": label}
    for of, params in about.params.items():
        row |= {f"{of}.{key}": word(params, key) for key in params}
    return row


def _write_script(folder: Path) -> None:
    from plotly.offline import get_plotlyjs

    content = get_plotlyjs().encode()
    path = folder / _SCRIPT
    if not path.exists() or path.stat().st_size != len(content):
        write_whole(path, content)


def _checked(formats: Sequence[str]) -> list[str]:
    if isinstance(formats, str):
        raise TypeError(f"formats: expected a list such as ['html', 'svg'], got {formats!r}")
    for each in formats:
        if each not in FORMATS:
            hint = nearest(each, FORMATS) if isinstance(each, str) else ""
            raise ValueError(f"formats: expected any of {', '.join(FORMATS)}, got {each!r}{hint}")
    if not formats:
        raise ValueError(f"formats: expected any of {', '.join(FORMATS)}, got none")
    return list(dict.fromkeys(formats))
