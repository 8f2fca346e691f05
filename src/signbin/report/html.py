"""A Report as one self-contained HTML page: style, script and drawings within, no network.

The page's policy lets a browser run that one script, by its hash, and load nothing.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from signbin.errors import SignbinError
from signbin.report import assemble, curves, side_by_side, words
from signbin.report.pattern_map import pattern_svg
from signbin.report.schema import Model, Report, ReportedRun, Study
from signbin.report.study import COSTS, pareto_front
from signbin.report.study_chart import study_charts
from signbin.report.weight_chart import weight_svg

__all__ = ["render"]

_TEMPLATE: Final = "report.html.jinja"
_SCRIPT: Final = "report.js"


@dataclasses.dataclass(frozen=True)
class _Picture:
    """A drawing, what it shows, and a word on it."""

    title: str
    svg: str
    note: str


@dataclasses.dataclass(frozen=True)
class _Group:
    """Drawings of one run or model."""

    title: str
    pictures: tuple[_Picture, ...]


def render(report: Report) -> str:
    """The page as text; everything that came from a file is escaped.

    Raises SignbinError where Jinja2 is not installed.
    """
    environment = _environment()
    script = environment.loader.get_source(environment, _SCRIPT)[0]
    page: str = environment.get_template(_TEMPLATE).render(
        report=report,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        weights=tuple(_weights(report.trainings)),
        patterns=tuple(_patterns(report.models)),
        studies=tuple(map(_study, report.studies)),
        programs=side_by_side.whole(report.models) if len(report.models) > 1 else (),
        measures=side_by_side.per_layer(report.models) if len(report.models) > 1 else (),
        facts=assemble.headline(report),
        accuracy_chart=curves.accuracy_chart(report.kinds),
        training_charts=curves.training_charts(report.trainings),
        words=words,
    )
    return page


def _weights(trainings: Sequence[ReportedRun]) -> Iterator[_Group]:
    """Histograms of the latent weights of every run that has some."""
    for training in trainings:
        pictures = []
        for layer in training.latent:
            note = f"{words.count(sum(layer.all))} weights"
            if layer.effectual is not None:
                note += f", {words.count(sum(layer.effectual))} effectual"
            title = f"latent weights of {layer.layer}: {note}"
            pictures.append(_Picture(layer.layer, weight_svg(title, layer), note))
        if pictures:
            yield _Group(training.path, tuple(pictures))


def _patterns(models: Sequence[Model]) -> Iterator[_Group]:
    """Maps of the patterns of every model with low-bit weights."""
    for model in models:
        pictures = []
        for layer in model.layers:
            if layer.patterns is None:
                continue
            name, found = layer.module or layer.name, layer.patterns
            different = sum(count > 0 for count in found.counts)
            note = f"{different} of {len(found.counts)} patterns, density {layer.density:.2f}"
            title = f"patterns of {found.filters} filters of {name}: {note}"
            pictures.append(_Picture(name, pattern_svg(title, found), note))
        if pictures:
            yield _Group(model.path, tuple(pictures))


def _study(study: Study) -> dict[str, Any]:
    """What the page says of a study: its charts, and which networks are on which front."""
    charts = [
        _Picture(COSTS[cost], svg, "Line: networks that no other one beats.")
        for cost, svg in study_charts(study)
    ]
    costs = [cost for cost in COSTS if any(cost in point.costs for point in study.points)]
    fronts = {cost: pareto_front(study.points, cost) for cost in costs}
    return {"study": study, "charts": charts, "costs": costs, "fronts": fronts, "names": COSTS}


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
