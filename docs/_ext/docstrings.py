"""Docstrings are plain text with `code` in single backticks; this makes that safe as reStructuredText."""

import re

# What stays as it is, then what would be read as markup by mistake: |λ|, x*, name_.
_KEEP = "|".join(
    [
        r"^[ ]*>>>[\s\S]*?(?=\n[ ]*\n|\Z)",  # an example, up to the next blank line
        r"``.+?``",
        r"`[^`]+`",
        r"(?<![\w*])\*{1,2}(?=\S)(?:(?!\n[ ]*\n)[^*])+?(?<=\S)\*{1,2}(?!\w)",  # *emphasis*
    ]
)
_SIGN = r"\||(?<=\w)[*_](?!\w)"
_TOKENS = re.compile(f"({_KEEP})|{_SIGN}", re.MULTILINE)


def escape(app, what, name, obj, options, lines):
    """Escape lone signs outside of code, examples and emphasis."""
    text = _TOKENS.sub(lambda match: match[1] or f"\\{match[0]}", "\n".join(lines))
    lines[:] = text.split("\n")


def shorten(app, what, name, obj, options, signature, returned):
    """Name arrays as users do."""
    shorter = [text and text.replace("jaxlib._jax.Array", "Array") for text in (signature, returned)]
    return tuple(shorter)


def setup(app):
    """Run before napoleon, which turns sections into fields."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", escape, priority=400)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
