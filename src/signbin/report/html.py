"""A Report as one self-contained HTML page: inline style and SVG, no script, no network."""

from __future__ import annotations

from typing import Any

from signbin.errors import SignbinError
from signbin.report import assemble, curves, words
from signbin.report.schema import Report

__all__ = ["render"]

_TEMPLATE = "report.html.jinja"


def render(report: Report) -> str:
    """The page as text; everything that came from a file is escaped.

    Raises SignbinError where Jinja2 is not installed.
    """
    environment = _environment()
    page: str = environment.get_template(_TEMPLATE).render(
        report=report,
        facts=assemble.headline(report),
        accuracy_chart=curves.accuracy_chart(report.kinds),
        training_charts=curves.training_charts(report.trainings),
        words=words,
    )
    return page


def _environment() -> Any:
    try:
        import jinja2  # noqa: PLC0415 - an extra: the base install renders no page
    except ModuleNotFoundError as error:
        raise SignbinError(
            "the HTML report needs Jinja2", remedy="run: pip install 'signbin[cli]'"
        ) from error
    return jinja2.Environment(
        loader=jinja2.PackageLoader("signbin.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
