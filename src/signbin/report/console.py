"""Records as tables for the terminal (rich renderables); colour and width are the console's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from signbin.report import words
from signbin.report.bars import NumberWithBar, TerminalNote, shares
from signbin.report.legends import ALONE, RACE, STEP, legend_of
from signbin.report.schema import (
    Kind,
    Prediction,
    ReportedComparison,
    ReportedDivergence,
    ReportedLayer,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = [
    "add_row",
    "bench_table",
    "bench_view",
    "c_export_table",
    "checks_table",
    "comparison_view",
    "compiled_view",
    "costs_table",
    "experiment_table",
    "experiments_table",
    "export_table",
    "kinds_table",
    "layers_table",
    "new_network_table",
    "new_table",
    "packed_table",
    "predictions_table",
    "profile_view",
    "quantization_table",
]

_NOISY_LAYERS = 5
_ERROR_LEGEND = "max |difference| / max |reference|; a dash where a layer went into a later one"


def kinds_table(kinds: Iterable[Kind]) -> Table:
    """Kinds of weights side by side: value set, accuracy over seeds, density.

    Where one of them had a budget, what each is predicted to cost, too.
    """
    kinds = list(kinds)
    budgets = any(kind.cost is not None for kind in kinds)
    table = new_table(
        *("weights", "value set", ">held-out accuracy", "seeds", ">density", ">parameters"),
        *((">predicted, budget",) if budgets else ()),
    )
    for kind in kinds:
        add_row(
            table,
            kind.weights,
            words.text(kind.values),
            words.accuracy(kind.mean, kind.spread),
            ", ".join(map(str, kind.seeds)),
            words.ratio(kind.density),
            words.count(kind.parameters),
            *((words.text(kind.cost),) if budgets else ()),
        )
    return table


def costs_table(title: str, rows: Iterable[tuple[float, float, float]]) -> Table:
    """What a network costs at the same density in all layers: density, ms, share of binary's."""
    table = new_table(">density in all layers", ">ms", ">of binary weights'")
    table.title = title
    for density, ms, share in rows:
        add_row(table, words.ratio(density), words.milliseconds(ms), words.percent(share))
    return table


def recipes_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What can be trained by name: one line per recipe."""
    table = new_table("recipe", "network", ">epochs", "trains")
    for row in rows:
        add_row(table, row["name"], row["network"], str(row["epochs"]), row["purpose"])
    return table


def experiments_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What can be trained as a whole by name: one line per experiment."""
    table = new_table("experiment", ">networks", "scales", "recipe", "asks")
    for row in rows:
        cells = (str(row["runs"]), ", ".join(row["scales"]), row["recipe"], row["question"])
        add_row(table, row["name"], *cells)
    return table


def experiment_table(results: Mapping[str, Any]) -> Table:
    """One line per trained network of an experiment, in the order of training."""
    table = new_table("run", ">seed", ">epochs", ">held-out accuracy", ">density", ">s per epoch")
    for run in results["runs"]:
        failed = run["accuracy"] is None
        figures = (
            ("", run["failure"]["kind"], "", "")
            if failed
            else (
                str(run["epochs"]),
                words.accuracy(run["accuracy"], None),
                words.ratio(run["density"]),
                f"{run['epoch_seconds']:.1f}",
            )
        )
        add_row(table, run["run"], str(run["seed"]), *figures)
    return table


def packed_table(described: Mapping[str, Any]) -> Table:
    """What ``pack`` kept: one line."""
    table = new_table("weights", "value set", ">size", ">effectual weights")
    figures = words.count(described["parameters"]["effectual"])
    add_row(
        table,
        described["weights"],
        described["value_set"],
        words.size(described["bytes"]),
        figures,
    )
    return table


def new_network_table(summary: Mapping[str, Any]) -> Table:
    """What ``new`` made: density, p0 and output spread per layer, then over all of them."""
    table = new_table("layer", ">weights", ">density", ">p0", ">output spread")
    quantized = {layer["name"]: layer for layer in summary["layers"]}
    for name, spread in summary["output_spread"].items():
        layer = quantized.get(name, {})
        weights = words.count(layer["weights"]) if layer else "float"
        add_row(table, name, weights, *_shares(layer), f"{spread:.3g}")
    weights = words.count(summary["parameters"]["quantized"])
    add_row(table, f"all quantised, seed {summary['seeds'][0]}", weights, *_shares(summary), "")
    return table


def _shares(layer: Mapping[str, Any]) -> list[str]:
    """Density and p0, four decimals; blank for float layers."""
    values = (layer.get("density"), layer.get("p0"))
    return ["" if value is None else f"{value:.4f}" for value in values]


def layers_table(layers: Iterable[ReportedLayer]) -> Table:
    """One line per layer: what it holds, how it will run and why."""
    table = new_table("layer", "value set", ">density", ">MACs", "strategy", "why")
    for layer in layers:
        strategy = layer.strategy
        if layer.parameters:
            strategy += f" ({words.parameters(layer.parameters)})"
        density, macs = words.ratio(layer.density), words.count(layer.macs)
        add_row(
            table, layer.module or layer.name, layer.value_set, density, macs, strategy, layer.why
        )
    return table


def compiled_view(layers: Iterable[ReportedLayer], quantization: Mapping[str, Any] | None) -> Group:
    """What ``compile`` shows: the layers, what the words mean, and what 8-bit activations cost."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.text import Text  # noqa: PLC0415

    layers = list(layers)
    told = [
        f"{layer.strategy} ({words.parameters(layer.parameters)}) {layer.why}" for layer in layers
    ]
    parts: list[Any] = [layers_table(layers), Text(legend_of("MACs density", *told))]
    if quantization is not None:
        parts.append(quantization_table(quantization))
    return Group(*parts)


def quantization_table(cost: Mapping[str, Any]) -> Table:
    """Accuracy before and after, and the layers with the most noise; what to do about them."""
    table = new_table("8-bit activations", ">signal to noise", ">lost here", "advice")
    for layer in cost["layers"][:_NOISY_LAYERS]:
        advice = words.quantization_advice(layer)
        add_row(
            table,
            layer["module"],
            words.decibels(layer["snr_db"]),
            words.decibels(layer["lost_db"]),
            advice,
        )
    table.add_section()
    add_row(table, "output", words.decibels(cost["output_snr_db"]), "", "")
    samples = f"of {words.count(cost['samples'])} samples"
    add_row(table, "same top-1 as float", words.percent(cost["top1_agreement"]), "", samples)
    if cost["accuracy_before"] is not None:
        add_row(table, "accuracy before", words.percent(cost["accuracy_before"]), "", samples)
        add_row(table, "accuracy after", words.percent(cost["accuracy_after"]), "", samples)
    return table


def comparison_view(comparison: ReportedComparison) -> Group:
    """Largest relative error per layer and over all, the same top-1, and where engines part."""
    from rich.console import Group  # noqa: PLC0415 - an extra
    from rich.text import Text  # noqa: PLC0415

    parting = comparison.divergence
    parts: list[Any] = [
        Text(f"Against {words.engine(comparison.reference)}: {_ERROR_LEGEND}"),
        _errors_table(comparison),
    ]
    if comparison.tolerance is not None:
        allowed = words.error(comparison.tolerance)
        parts.append(TerminalNote(f"bars: share of the error that is allowed, {allowed}"))
    if parting is not None:
        place = ", ".join(map(str, parting.place))
        where = f"{parting.source or parting.name}, sample {parting.sample}, element ({place}):"
        parts += [Text(where), _divergence_table(parting)]
    return Group(*parts)


def _errors_table(comparison: ReportedComparison) -> Table:
    others = comparison.engines
    shown = [f">{words.engine(name)}" for name in others]
    table = new_table("layer", "operation", ">interpreter", *shown, ">compiled", "")
    for layer in comparison.layers:
        add_row(
            table,
            layer.source or layer.name,
            layer.name,
            words.layer_error(layer.interpreter_error),
            *(words.layer_error(layer.other_errors.get(name)) for name in others),
            _error_cell(layer.compiled_error, comparison.tolerance),
            "outside" if layer.outside else "",
        )
    table.add_section()
    blank = [""] * len(others)
    error = comparison.max_relative_error
    outside = "outside" if words.outside(error, comparison.tolerance) else ""
    add_row(table, "output", "", "", *blank, words.error(error), outside)
    samples = f"{words.count(comparison.samples)} samples"
    agreement = words.percent(comparison.top1_agreement)
    add_row(table, "same top-1", samples, "", *blank, agreement, "")
    if comparison.exactness is not None:
        differing, values = comparison.exactness.differing, comparison.exactness.values
        found = f"{words.count(differing)} of {words.count(values)}"
        cells = ("differing from the interpreter", "nodes on codes", "", *blank, found)
        add_row(table, *cells, "outside" if differing else "")
    return table


def _error_cell(error: float | None, tolerance: float | None) -> str | NumberWithBar:
    """With a bar where a tolerance is known."""
    if error is None or not tolerance:
        return words.layer_error(error)
    return NumberWithBar(words.layer_error(error), error / tolerance)


def _divergence_table(parting: ReportedDivergence) -> Table:
    table = new_table("engine", ">value", "")
    for name, value in parting.values.items():
        odd = "differs" if name in parting.odd else ""
        add_row(table, words.engine(name), f"{value:.7g}", odd)
    return table


def predictions_table(predictions: Iterable[Prediction]) -> Table:
    """The best classes of every input with their scores."""
    table = new_table("input", "class", ">score")
    for prediction in predictions:
        for rank, ranked in enumerate(prediction.top):
            name = prediction.input if rank == 0 else ""
            add_row(table, name, ranked.name, f"{ranked.score:.4g}")
    return table


def bench_view(bench: Mapping[str, Any]) -> Group:
    """The race, and what its columns mean."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    legend = f"{ALONE} {RACE}" if bench["peers"] else ALONE
    bars = TerminalNote("bars: share of the slowest median")
    return Group(bench_table(bench), Text(legend), bars)


def bench_table(bench: Mapping[str, Any]) -> Table:
    """One line per engine: times, ratio with its spread over the rounds, agreement and memory.

    Agreement is with the network in float (a float program's own with the interpreter): the
    largest relative error, for quantised engines the signal to noise ratio, and the share of
    images with the same top-1. An engine whose times do not compare has no ratio, one that failed
    nothing but the reason.
    """
    table = new_table(
        *("engine", ">median ms", ">min", ">p90", ">theirs / ours", ">rounds' ratios"),
        *(">error", ">same top-1", ">threads", ">peak memory"),
    )
    engines = {"signbin": bench, **bench["peers"]}
    parts = shares([engine["median_ms"] for engine in engines.values()])
    for (name, engine), share in zip(engines.items(), parts, strict=True):
        ratio = f"{engine['ratio']:.2f}" if "ratio" in engine else ""
        spread = f"{engine['ratio_low']:.2f}-{engine['ratio_high']:.2f}" if ratio else ""
        if engine.get("not_comparable"):
            ratio, spread = "not comparable", ""
        found = engine["against_float"] if engine.get("activations") == "u8" else engine
        add_row(
            table,
            f"{name} {engine['version']} ({', '.join(_how(engine))})",
            NumberWithBar(words.milliseconds(engine["median_ms"]), share),
            *(words.milliseconds(engine[key]) for key in ("min_ms", "p90_ms")),
            ratio,
            spread,
            words.agreement(found["max_relative_error"], found["snr_db"]),
            words.percent(found["top1_agreement"], 0),
            str(engine["threads"]),
            words.size(engine["peak_bytes"]),
        )
    for name, why in bench.get("failures", {}).items():
        add_row(table, f"{name}: {why}", *["failed", *[""] * 8])
    return table


def _how(engine: Mapping[str, Any]) -> list[str]:
    """What an engine ran with: instruction set, limit, and the preparation that was fastest."""
    told = [engine["isa"]]
    if engine.get("isa_limit"):
        told = [f"limited to {engine['isa_limit']}"]
    preparation = engine.get("preparation") or {}
    if len(preparation.get("medians_ms", {})) > 1:
        told.append(preparation["name"])
    return told


def profile_view(profile: Mapping[str, Any]) -> Group:
    """One line per step: time, share of the whole, rate of dense MACs, kernel and reason."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    told = [f"{layer['strategy']} {layer['why']}" for layer in profile["layers"]]
    bars = TerminalNote("bars: share of the whole")
    return Group(
        _profile_table(profile), Text(f"{legend_of('GMAC/s density', *told)}; {STEP}"), bars
    )


def _profile_table(profile: Mapping[str, Any]) -> Table:
    table = new_table("layer", ">ms", ">share", ">GMAC/s", ">density", "strategy", "kernel", "why")
    for layer in profile["layers"]:
        rate, density = layer["gmacs_per_s"], layer["density"]
        add_row(
            table,
            layer["module"] or layer["name"],
            words.milliseconds(layer["ms"]),
            NumberWithBar(words.percent(layer["share"]), layer["share"]),
            "-" if rate is None else f"{rate:.1f}",
            "-" if density is None else words.ratio(density),
            layer["strategy"],
            layer["kernel"],
            layer["why"],
        )
    return table


def c_export_table(exported: Mapping[str, Any]) -> Table:
    """What an exported network takes of a microcontroller, in bytes, and what was compared."""
    table = new_table(">constants", ">code", ">flash", ">RAM", ">stack", "checked")
    sizes = [f"{exported[f'{name}_bytes']:,}" for name in ("constants", "code", "flash", "ram")]
    checked = exported["checked_images"]
    told = f"same outputs of {checked} images" if checked else "not compared"
    add_row(table, *sizes, f"{exported['stack_bytes']:,}", told)
    return table


def export_table(exported: Mapping[str, Any]) -> Table:
    """What was written: flavour, opset, operators, weights, and who computed the same from it."""
    table = new_table(
        "flavour", ">opset", ">operators", ">low-bit layers", ">weight bits", "checked by"
    )
    add_row(
        table,
        exported["flavour"],
        str(exported["opset"]),
        words.count(exported["operators"]),
        str(exported["low_bit_layers"]),
        str(exported["weight_bits"]),
        f"{exported['checked_by']}: error {words.error(exported['error'])}",
    )
    return table


def facts_table(facts: Mapping[str, Any]) -> Table:
    """Names and numbers, a line each."""
    table = new_table("what", "number")
    for name, number in facts.items():
        add_row(table, name, f"{number:,}")
    return table


def checks_table(checks: Sequence[Mapping[str, str]]) -> Table:
    """What ``doctor`` found: check, ok, warn or fail, what was found, what to do."""
    table = new_table("check", "status", "found", "remedy")
    for check in checks:
        add_row(table, check["name"], check["status"], check["found"], check["remedy"])
    return table


def new_table(*columns: str) -> Table:
    """A table whose columns are the given names; a leading ">" puts numbers to the right."""
    from rich import box  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    return table


def add_row(table: Any, *cells: str | NumberWithBar) -> None:
    """A row of plain text: brackets in a class name are no markup; and of numbers with bars."""
    from rich.text import Text  # noqa: PLC0415

    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
