"""How the documentation is built: offline, warnings as errors (`make docs`)."""

import sys
from importlib.metadata import version
from pathlib import Path

from plotly.offline import get_plotlyjs

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# plotly.js, once for the whole site, from the installed plotly.
(HERE / "_static").mkdir(exist_ok=True)
(HERE / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")

project = "fpanalysis"
author = "The fpanalysis developers"
copyright = author
release = version = version("fpanalysis")

extensions = [
    "docstrings",
    "offline",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "**/sg_execution_times.rst", "sg_execution_times.rst"]
default_role = "code"
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(demo|train_from_yaml)\.py",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("plotly_gallery.scraper",),
    "reset_modules": ("plotly_gallery.reset",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = f"fpanalysis {release}"
html_static_path = ["_static"]
html_css_files = ["fpanalysis.css"]
html_copy_source = False
html_show_sourcelink = False
html_context = {"default_mode": "light"}  # figures are drawn on white
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": [],
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"**": []}  # the room goes to code and tables


def setup(app):
    """Load plotly.js on the pages that hold figures only: it is 4 MB."""
    app.connect("html-page-context", _plotly_where_needed)


def _plotly_where_needed(app, pagename, templatename, context, doctree):
    if "Plotly.newPlot(" in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=100)
