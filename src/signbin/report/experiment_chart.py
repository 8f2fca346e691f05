"""The picture of an experiment's results: one SVG file that needs no page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from signbin.report import words
from signbin.report.charts import Dots, Line, dot_chart, line_chart

__all__ = ["cost_svg", "experiment_svg"]

# Okabe-Ito colours: told apart with any colour vision, on light and dark paper.
_COLORS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
# The same hues where they are words, which want a contrast of 4.5 to 1 with their paper.
_ON_LIGHT: Final = ("#0067a0", "#855800", "#00704f", "#9c3f77")
_ON_DARK: Final = ("#56b4e9", "#e69f00", "#2fc59a", "#e6a3c8")


def _words(colors: Sequence[str]) -> str:
    return "".join(
        f"text.c{number},tspan.c{number}{{fill:{color}}}" for number, color in enumerate(colors)
    )


_KINDS: Final = ("signed_binary", "binary", "ternary", "float")
_LABEL: Final = "held-out accuracy, %"
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.label{font-weight:600}.axis,.note{fill:#5c6370}"
    ".grid{stroke:#8884}.rule{stroke:#8886}.line{fill:none;stroke-width:2}.faint{opacity:.3}"
    ".mean{stroke-width:3}.bg{fill:#fff}"
    + _words(_ON_LIGHT)
    + "@media(prefers-color-scheme:dark){text{fill:#ddd}"
    ".bg{fill:#16181d}.axis,.note{fill:#a7adb8}"
    + _words(_ON_DARK)
    + "}"
    + "".join(
        f".s{number}{{stroke:{color}}}.f{number}{{fill:{color}}}"
        for number, color in enumerate(_COLORS)
    )
)


def experiment_svg(results: Mapping[str, Any]) -> str:
    """The chart that the experiment asks for, of its finished runs; empty text without any.

    accuracy: a row per run and a dot per seed. effectual: accuracy over the number of effectual
    weights, a line per kind of weights. density: share of non-zero weights over epochs, faint
    per layer. nested: histograms of all and of effectual latent weights of the largest layer.
    """
    runs = [run for run in results["runs"] if run["accuracy"] is not None]
    if not runs:
        return ""
    title = f"{results['title']}, {results['epochs']} epochs"
    charts = {
        "accuracy": _accuracy,
        "effectual": _effectual,
        "density": _density,
        "nested": _nested,
    }
    return _standalone(charts[results["chart"]](title, runs))


def _accuracy(title: str, runs: Sequence[Mapping[str, Any]]) -> str:
    return dot_chart(title, _LABEL, [_dots(found) for found in _by_run(runs)])


def _dots(runs: Sequence[Mapping[str, Any]]) -> Dots:
    values = tuple(100 * run["accuracy"] for run in runs)
    mean = sum(values) / len(values)
    density = words.ratio(runs[0]["density"]) if runs[0]["density"] is not None else "1.00"
    return Dots(runs[0]["run"], _color(runs[0]), values, mean, f"{mean:.2f} %, density {density}")


def cost_svg(runs: Sequence[Mapping[str, Any]], cost: str, factor: float, label: str) -> str:
    """Accuracy over what a network costs: ``factor * run[cost]``, a line per kind of weights.

    runs: as in an experiment's results, with the cost beside the rest; means over seeds.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for found in _by_run(runs):
        across = factor * sum(run[cost] for run in found) / len(found)
        accuracy = 100 * sum(run["accuracy"] for run in found) / len(found)
        points.setdefault(found[0]["weights"], []).append((across, accuracy))
    return _standalone(line_chart(f"Accuracy over {label}", _LABEL, _lines(points), label))


def _effectual(title: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """Means over seeds; runs of one kind are joined in the order of their effectual weights."""
    points: dict[str, list[tuple[float, float]]] = {}
    for found in _by_run(runs):
        effectual = sum(_nonzero(run) for run in found) / len(found)
        accuracy = 100 * sum(run["accuracy"] for run in found) / len(found)
        points.setdefault(found[0]["weights"], []).append((effectual / 1e3, accuracy))
    return line_chart(title, _LABEL, _lines(points), "effectual weights, thousands")


def _lines(points: Mapping[str, Sequence[tuple[float, float]]]) -> list[Line]:
    return [
        Line(kind.replace("_", "-"), _KINDS.index(kind), tuple(sorted(points[kind])))
        for kind in _KINDS
        if kind in points
    ]


def _nonzero(run: Mapping[str, Any]) -> int:
    """Non-zero quantised weights; of a float network those that others quantise, in full."""
    parameters = run["parameters"]
    return int(parameters["effectual"] or parameters["weights"])


def _density(title: str, runs: Sequence[Mapping[str, Any]]) -> str:
    run = next((run for run in runs if run["layers"]), None)
    if run is None:
        return ""
    weights = [layer["weights"] for layer in run["layers"]]
    shares = [record["layer_density"] for record in run["per_epoch"]]
    lines = [
        Line(layer["name"], 0, _over_epochs([share[place] for share in shares]), faint=True)
        for place, layer in enumerate(run["layers"])
    ]
    whole = [
        sum(n * d for n, d in zip(weights, share, strict=True)) / sum(weights) for share in shares
    ]
    lines.append(Line("all layers", 0, _over_epochs(whole)))
    return line_chart(title, "density", lines)


def _over_epochs(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple((float(epoch), value) for epoch, value in enumerate(values, 1))


def _nested(title: str, runs: Sequence[Mapping[str, Any]]) -> str:
    layers = [layer for run in runs for layer in run["latent"]]
    if not layers:
        return ""
    largest = max(layers, key=lambda layer: sum(layer["all"]["histogram"]))
    lines = [
        Line(name, number, _curve(largest[name]))
        for number, name in enumerate(("all", "effectual"))
    ]
    heading = f"{title}, {largest['name']}"
    return line_chart(heading, "weights per unit", lines, "latent weight")


def _curve(latent: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """The middle of every bin and how many weights it holds per unit of the axis."""
    counts, edge = latent["histogram"], latent["largest"]
    width = 2 * edge / len(counts)
    return tuple(
        (-edge + width * (place + 0.5), count / width if width else 0.0)
        for place, count in enumerate(counts)
    )


def _by_run(runs: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The networks of every run, seed by seed, in the order of the runs."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        found.setdefault(run["run"], []).append(run)
    return list(found.values())


def _color(run: Mapping[str, Any]) -> int:
    return _KINDS.index(run["weights"]) if run["weights"] in _KINDS else 0


def _standalone(svg: str) -> str:
    if not svg:
        return ""
    head, separator, body = svg.partition("</title>")
    head = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    background = '<rect class="bg" width="100%" height="100%"/>'
    return f"{head}{separator}<style>{_STYLE}</style>{background}{body}\n"
