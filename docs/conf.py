"""Sphinx configuration: MyST Markdown, Furo theme, warnings are errors (make docs)."""

project = "signbin"
author = "the signbin authors"
copyright = author
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
exclude_patterns = ["_build"]
