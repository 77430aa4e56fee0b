"""Figures in the pages, without a browser at build time or a network connection at reading time.

A figure is a fragment of HTML. plotly.js is one static file of the site, and `_static/figures.js` draws the
figures in the colours of the page (see `conf.py`). `figure.show()` puts a figure into the page, and so does a
figure that is the last expression of a block or cell.

- In the example gallery, `reset` makes figures go to a list, and `scraper` gives the page those of a block.
- In notebooks and in pages with `{code-cell}`, `in_kernel` makes them outputs of their cell.
"""

import hashlib
import textwrap
import warnings
from collections import Counter

import plotly.io as pio
from plotly.basedatatypes import BaseFigure
from plotly.io.base_renderers import ExternalRenderer, MimetypeRenderer

HEIGHT = 520
"""Height in pixels of figures that do not say theirs."""

_shown: list[str] = []
_names: Counter[str] = Counter()


def fragment(figure: dict) -> str:
    """Return a figure as HTML that needs plotly.js on the page, as wide as the page has room."""
    layout = dict(figure.get("layout", {}))
    width = layout.pop("width", None)
    figure = {**figure, "layout": layout}
    # A name made of the content: the same figure gives the same page in every build.
    name = hashlib.sha256(pio.to_json(figure, validate=False).encode()).hexdigest()[:12]
    _names[name] += 1
    again = f"-{_names[name]}" if _names[name] > 1 else ""
    html = pio.to_html(
        figure,
        config={"displaylogo": False, "responsive": True},
        include_plotlyjs=False,
        include_mathjax=False,
        full_html=False,
        default_width="100%",
        default_height=HEIGHT,
        div_id=f"figure-{name}{again}",
        validate=False,
    )
    # A width that was asked for is the most it takes: a phone may be narrower.
    style = f' style="max-width: {width}px"' if width else ""
    return f'<div class="figure-box"{style}>{html}</div>'


class GalleryRenderer(ExternalRenderer):
    """Keeps figures for `scraper`."""

    def render(self, fig_dict):
        _shown.append(fragment(fig_dict))


class KernelRenderer(MimetypeRenderer):
    """Gives figures to a notebook as HTML."""

    def to_mimebundle(self, fig_dict):
        return {"text/html": fragment(fig_dict)}


def reset(gallery_conf, fname):
    """Make figures of an example go to its page, and numerical warnings fail the build."""
    _shown.clear()
    _names.clear()
    warnings.filterwarnings("error", category=RuntimeWarning)
    pio.renderers["page"] = GalleryRenderer()
    pio.renderers.default = "page"


def scraper(block, block_vars, gallery_conf, **kwargs):
    """Return reStructuredText for the figures of a block."""
    # Sphinx-gallery keeps the value of the last expression here. It would show a figure's own HTML, which
    # loads plotly.js from the network.
    names = block_vars["example_globals"]
    if isinstance(names.get("___"), BaseFigure):
        pio.show(names["___"])
        names["___"] = None
    pages = [f".. raw:: html\n\n{textwrap.indent(html, '    ')}\n" for html in _shown]
    _shown.clear()
    return "\n\n".join(pages)


def in_kernel():
    """Make figures outputs of their cells; numerical warnings fail the build, and no progress is shown."""
    warnings.filterwarnings("error", category=RuntimeWarning)
    pio.renderers["page"] = KernelRenderer()
    pio.renderers.default = "page"
    with warnings.catch_warnings(action="ignore"):  # without widgets, tqdm warns that it shows plain bars
        from tqdm import auto

    class NoBar(auto.tqdm):
        """Whether a bar appears would depend on how fast the computer is."""

        def __init__(self, *args, **options):
            super().__init__(*args, **{**options, "disable": True})

    auto.tqdm = NoBar
