"""Fails the build if a page would load anything from the network when it is read."""

import re
from pathlib import Path

from sphinx.errors import SphinxError

# What a browser loads by itself; links that a reader may follow (<a href>) are no concern.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+""",
    re.IGNORECASE,
)
_LOADED_BY_STYLE = re.compile(r"""(?:@import\s+|url\(\s*)["']?(?:https?:)?//[^"')\s]+""", re.IGNORECASE)


def check(app, exception):
    """Look through every page and style sheet that was written."""
    if exception is not None or app.builder.format != "html":
        return
    found = []
    for path in sorted(Path(app.outdir).rglob("*")):
        pattern = {".html": _LOADED, ".css": _LOADED_BY_STYLE}.get(path.suffix)
        if pattern is not None:
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(app.outdir)}: {match[0]}" for match in pattern.finditer(text)]
    if found:
        raise SphinxError("pages load from the network:\n  " + "\n  ".join(found))


def setup(app):
    """Register the check."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
