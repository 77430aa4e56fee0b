"""Figures in the example gallery, without a browser at build time or a network connection at reading time.

`figure.show()` in an example hands the figure to `Renderer`; `scraper` puts what was shown into the page.
plotly.js itself is one static file of the site (see `conf.py`).
"""

import hashlib
import textwrap
import warnings

import plotly.io as pio
from plotly.io.base_renderers import ExternalRenderer

_shown: list[str] = []


class Renderer(ExternalRenderer):
    """Keeps figures as HTML fragments that need plotly.js on the page."""

    def render(self, fig_dict):
        # A name made of the content: the same figure gives the same page in every build.
        name = hashlib.sha256(pio.to_json(fig_dict, validate=False).encode()).hexdigest()[:12]
        html = pio.to_html(
            fig_dict,
            config={"displaylogo": False, "responsive": True},
            include_plotlyjs=False,
            include_mathjax=False,
            full_html=False,
            default_width="100%",
            default_height="520px",
            div_id=f"figure-{name}",
            validate=False,
        )
        _shown.append(html)


def reset(gallery_conf, fname):
    """Make `figure.show()` go to the page, and numerical warnings fail the build."""
    _shown.clear()
    warnings.filterwarnings("error", category=RuntimeWarning)
    pio.renderers["gallery"] = Renderer()
    pio.renderers.default = "gallery"


def scraper(block, block_vars, gallery_conf, **kwargs):
    """Return reStructuredText for the figures that a block has shown."""
    pages = [f".. raw:: html\n\n{textwrap.indent(html, '    ')}\n" for html in _shown]
    _shown.clear()
    return "\n\n".join(pages)
