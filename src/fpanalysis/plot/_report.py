"""All figures that fit a dataset, and what it says of itself, on one page."""

import html
import os
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
import xarray as xr
from plotly.offline import get_plotlyjs

from fpanalysis._files import write_whole
from fpanalysis.plot._fitting import Fitting, fitting
from fpanalysis.plot._tables import attributes_table, dims_table, variables_table
from fpanalysis.plot._theme import DARK, LIGHT

# Our own errors begin with the name of the argument.
_OWN_CHECK = re.compile(r"[a-z_]+: ")
_HEIGHT = 480


def report(ds: xr.Dataset, path: str | os.PathLike, title: str | None = None) -> Path:
    """Write the figures that fit a dataset, and its attributes, to one page that opens offline.

    Which figures fit is decided by what the dataset holds: fixed points, simulated trials, the history of a
    training, or a flow field. The page shows with each figure the call that makes it, and lists those that
    cannot be made, with the reason. Tables say what the dims, variables and attributes are. The page follows
    the reader's choice of light or dark, and loads nothing from elsewhere. The same dataset gives the same
    page.

    Args:
        ds: any dataset of the package.
        path: where to write; its name ends in `.html`, and its folder exists. A file of that name is
            replaced, once the page is complete.
        title: of the page. Left out, it says what the dataset holds.

    Returns:
        The absolute path of the page.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: the name does not end in `.html`.
        FileNotFoundError: there is no such folder.
        IsADirectoryError: `path` is a folder.

    Example:
        >>> import tempfile, fpanalysis as fpa
        >>> history = fpa.datasets.reaching_ensemble().history
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = fpa.plot.report(history, f"{folder}/training.html")
        ...     "fpa.plot.loss_history(ds)" in path.read_text(encoding="utf-8")
        True
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected an xarray.Dataset, got {type(ds).__name__}")
    path = _checked(path)
    kind, candidates = fitting(ds)
    figures, left_out = _made(candidates)
    light, dark = (pio.templates[name].to_plotly_json() for name in (LIGHT, DARK))
    template = Template(files("fpanalysis.plot").joinpath("report.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=html.escape(kind or "Dataset" if title is None else str(title)),
        made=html.escape(_made_by(ds.attrs)),
        figures="\n".join(_figure(k, *each) for k, each in enumerate(figures, start=1))
        or "<p>No figure could be made of this dataset.</p>",
        left_out=_left_out(left_out),
        dims=dims_table(ds),
        variables=variables_table(ds),
        attributes=attributes_table(ds),
        plotly=get_plotlyjs(),
        templates=pio.to_json({"light": light, "dark": dark}, validate=False),
        light_ground=light["layout"]["paper_bgcolor"],
        light_text=light["layout"]["font"]["color"],
        dark_ground=dark["layout"]["paper_bgcolor"],
        dark_text=dark["layout"]["font"]["color"],
    )
    write_whole(path, page.encode())
    return path


def _checked(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.suffix != ".html":
        raise ValueError(f"path: expected a name that ends in '.html', got {path.name!r}")
    path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {str(path.parent)!r} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"path: expected the name of a file, but {str(path)!r} is a folder")
    return path


def _made(candidates: list[Fitting]) -> tuple[list[tuple[str, go.Figure]], list[tuple[str, str]]]:
    """Return calls with their figures, and calls with the reasons why they have none."""
    figures, left_out = [], []
    for call, draw in candidates:
        try:
            figures.append((call, draw()))
        except ValueError as error:
            if not _OWN_CHECK.match(str(error)):
                raise
            left_out.append((call, str(error)))
    return figures, left_out


def _made_by(attrs: dict[Any, Any]) -> str:
    versions = [
        f"{name.removesuffix('_version')} {attrs[name]}"
        for name in ("fpanalysis_version", "jax_version")
        if name in attrs
    ]
    created = [f"created {attrs['created']}"] if "created" in attrs else []
    with_versions = [f"with {', '.join(versions)}"] if versions else []
    return " ".join([*created, *with_versions])


def _figure(number: int, call: str, figure: go.Figure) -> str:
    spec = figure.to_plotly_json()
    # The page gives every figure the template of light or dark.
    spec["layout"].pop("template", None)
    height = spec["layout"].get("height", _HEIGHT)
    name = f"figure-{number}"
    return (
        f'<figure><div class="plotly-graph-div" id="{name}" style="height: {height}px"></div>\n'
        f"<figcaption><code>{html.escape(call)}</code></figcaption></figure>\n"
        f'<script type="application/json" id="{name}-data">{pio.to_json(spec, validate=False)}</script>'
    )


def _left_out(reasons: list[tuple[str, str]]) -> str:
    if not reasons:
        return ""
    rows = [f"<li><code>{html.escape(call)}</code>: {html.escape(why)}</li>" for call, why in reasons]
    return "<h2>Left out</h2>\n<ul>" + "\n".join(rows) + "</ul>"
