"""How the documentation is built: offline, warnings as errors (`make docs`)."""

import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import plotly.io as pio
from plotly.offline import get_plotlyjs

import fpanalysis.plot  # noqa: F401  registers the figures' templates

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# plotly.js, once for the whole site, from the installed plotly; and how figures look on a dark page.
dark = pio.to_json({"layout": {"template": pio.templates["fpanalysis_dark"]}}, validate=False)
(HERE / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
(HERE / "_static" / "figures_dark.js").write_text(f"const FIGURES_DARK = {dark};\n", encoding="utf-8")

# Notebooks live with the other examples. Sphinx reads pages from this folder only.
shutil.copytree(HERE.parent / "examples" / "notebooks", HERE / "notebooks", dirs_exist_ok=True)

# The kernels that execute code cells have these settings, and none of the person who builds.
kernel = HERE / "_build" / "ipython" / "profile_default"
kernel.mkdir(parents=True, exist_ok=True)
(kernel / "ipython_kernel_config.py").write_text(f"""
import sys
sys.path.insert(0, {str(HERE / "_ext")!r})
import figures
figures.in_kernel()
c.IPKernelApp.log_level = "ERROR"  # a warning says of each kernel that its messages are not encrypted
""")
os.environ["IPYTHONDIR"] = str(kernel.parent)

project = "fpanalysis"
author = "The fpanalysis developers"
copyright = author
release = version = version("fpanalysis")

extensions = [
    "docstrings",
    "offline",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "auto_examples/*.ipynb",
    "**/.ipynb_checkpoints",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
default_role = "code"
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Code cells run in every build, and must neither fail nor write to stderr, as warnings do.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "error"
nb_merge_streams = True

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
    "within_subsection_order": "gallery_order.place",
    "image_scrapers": ("figures.scraper",),
    "reset_modules": ("figures.reset",),
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
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
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
        for priority, name in enumerate(("plotly.min.js", "figures_dark.js", "figures.js"), start=100):
            app.add_js_file(name, priority=priority)
