"""Sphinx configuration: MyST Markdown, Furo theme, warnings are errors (make docs)."""

import re
from typing import Any

import signbin

project = "signbin"
author = "the signbin authors"
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["_static"]
html_js_files = ["scrolling.js"]
html_css_files = ["tables.css"]
html_show_search_summary = False  # they are fetched, which a page opened as a file may not
exclude_patterns = ["_build"]
# The reference: docstrings say types where signatures do not, and are in the order of the source.
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "alphabetical"
# Attributes may be called like a builtin, `type`: which is meant, the signature shows.
suppress_warnings = ["ref.python"]
autodoc_preserve_defaults = True
_QUOTED = re.compile(r"(``.*?``|:\w+:`.*?`)")
for _name in signbin.__all__:  # loaded when they are asked for, which autodoc does not do
    getattr(signbin, _name)


def _escape(
    _app: object, _what: str, _name: str, _found: object, _how: object, lines: list[str]
) -> None:
    """Formulas have stars and bars, which mean nothing: |x|, a * b. What is quoted stays."""
    for i, line in enumerate(lines):
        parts = _QUOTED.split(line)
        parts[::2] = [re.sub(r"[|*]", r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = line if line.lstrip().startswith((">>>", "...")) else "".join(parts)


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", _escape)
