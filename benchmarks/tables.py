"""The tables of the documentation, made from the committed results by ``make pages``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.convolution_tables import table_layers_table
from benchmarks.deploy import deploy_table
from benchmarks.door_tables import server_table, torch_operator_table
from benchmarks.latency import latency_table
from benchmarks.results import RESULTS, newest
from signbin.errors import FormatError
from signbin.report import markdown, words

Row = Mapping[str, Any]
_INT8: Final = "-int8"
"""How the names of engines with 8-bit activations end."""


def networks_table(section: Row) -> str:
    """One line per engine of every race: what it ran with, time, ratio, agreement and memory."""
    head = ["network", "weights", "threads", "batch", "engine", "ran with"]
    head += ["ms", "theirs / ours", "least ms", "theirs / ours"]
    head += ["error or signal to noise", "same top-1", "peak memory"]
    lines = []
    for row in section["rows"]:
        what = [row["network"], _weights(row), str(row["threads"]), str(row["batch"])]
        lines.append([*what, _our_name(row), *_engine_cells(row, row)])
        for name in sorted(row["peers"], key=lambda name: row["peers"][name]["ratio"]):
            lines.append([*[""] * len(what), name, *_engine_cells(row["peers"][name], row)])
        for name in sorted(row.get("failures", {})):
            lines.append([*[""] * len(what), name, "failed", *[""] * (len(head) - len(what) - 2)])
    return markdown.table(head, lines, numbers_from=6)


def headline_table(section: Row) -> str:
    """One line per network at its best: ours beside the fastest engine of every kind."""
    head = ["network", "signbin", "ms", "fastest int8 engine", "theirs / ours"]
    head += ["fastest fp32 engine", "theirs / ours", "ours keeps", "int8 engine keeps"]
    best = [row for row in section["rows"] if row["limit"] == "auto"]
    return markdown.table(head, map(_headline_cells, best), numbers_from=2)


def _headline_cells(row: Row) -> list[str]:
    comparable = [name for name in row["peers"] if not row["peers"][name].get("not_comparable")]
    fastest = sorted(comparable, key=lambda name: row["peers"][name]["ratio"])
    int8 = next(name for name in fastest if name.endswith(_INT8))
    fp32 = next(name for name in fastest if not name.endswith(_INT8))
    return [
        f"{row['network']}, {_weights(row)}",
        {"f32": "fp32", "u8": "8-bit"}[row["activations"]],
        _time(row),
        *_beside(int8, row["peers"][int8]),
        *_beside(fp32, row["peers"][fp32]),
        _kept(row),
        _kept(row["peers"][int8]),
    ]


def _beside(name: str, peer: Row) -> list[str]:
    return [f"{name}, {_time(peer)} ms", _ratio(peer)]


def _ratio(row: Row) -> str:
    return f"{row['ratio']:.2f}"


def _kept(engine: Row) -> str:
    """Error or signal to noise, and how often the top class stays."""
    return ", ".join(_agreement(engine))


def wide_resnet_table(section: Row) -> str:
    """The race of a trained network, and below it stage by stage what training put into it."""
    ratio = section["shuffled_over_trained"]
    said = (
        "The same network with the weights permuted inside every filter takes "
        f"{ratio['ratio']:.3f} ({ratio['ratio_low']:.3f} to {ratio['ratio_high']:.3f}) times as "
        "long. Its walked layers by width, sums of their medians; left out are inputs that no "
        "filter of a group reads:"
    )
    stages: dict[int, list[Row]] = {}
    for layer in section["layers"]:
        if layer["trained"]["strategy"] == "bucket":
            stages.setdefault(layer["filters"], []).append(layer)
    rows = [
        [f"{filters}", str(len(layers)), *_stage(layers, "trained"), *_stage(layers, "shuffled")]
        for filters, layers in sorted(stages.items())
    ]
    kinds = [f"{what}, {kind}" for kind in ("trained", "shuffled") for what in _STAGE]
    stage_table = markdown.table(["filters", "layers", *kinds], rows, numbers_from=0)
    return f"{networks_table(section)}\n\n{said}\n\n{stage_table}"


def wide_resnet_accuracy_table(section: Row) -> str:
    """How often a trained network is right on both kinds of activations."""
    accuracy = section["accuracy"]
    row = [
        f"{section['images']:,}",
        *(words.percent(accuracy[kind], 2) for kind in ("float", "int8")),
        words.percent(section["top1_agreement"], 2),
        f"{section['output_snr_db']:.1f} dB",
    ]
    heads = ["test images", "float", "8 bits", "same class from both", "signal to noise"]
    return markdown.table(heads, [row], numbers_from=0)


_STAGE: Final = ("ms", "load-adds, M", "left out")


def _stage(layers: Sequence[Row], kind: str) -> list[str]:
    """Time, load-adds and the share of inputs left out, over some layers."""
    own = [layer[kind] for layer in layers]
    inputs = sum(layer["inputs_millions"] for layer in own)
    left_out = sum(layer["inputs_millions"] * layer["p0"] for layer in own) / inputs
    return [
        words.milliseconds(sum(layer["ms"] for layer in own)),
        f"{sum(layer['load_adds_millions'] for layer in own):.1f}",
        words.percent(left_out, 1),
    ]


def kernels_table(section: Row) -> str:
    """One line per layer: our time and oneDNN's, each with its floor, and the ratio."""
    head = ["layer", "weights", "strategy", "ms", "floor", "GMAC/s"]
    head += ["oneDNN fp32, ms", "floor", "ratio"]
    layers = markdown.table(head, map(_kernel_cells, section["rows"]), numbers_from=3)
    overhead = words.milliseconds(section["onednn_call_ms"])
    note = f"A call through PyTorch with nothing to compute takes {overhead} ms; oneDNN's times"
    return f"{layers}\n\n{note} contain it."


def int8_layers_table(section: Row) -> str:
    """One line per layer of 8-bit codes: our time, every engine's, and fastest / ours."""
    engines = sorted({name for row in section["rows"] for name in row["engines"]})
    head = ["layer", "weights", "strategy", "ms", "GMAC/s"]
    head += [*(f"{name}, ms" for name in engines), "ratio"]
    rows = [
        [
            *(row["layer"], _weights(row), row["strategy"]),
            *(_time(row), f"{row['gmacs_per_s']:.0f}"),
            *(_time(row["engines"][name]) if name in row["engines"] else "" for name in engines),
            f"{row['ratio']:.2f}",
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, rows, numbers_from=3)


def linear_layers_table(section: Row) -> str:
    """A block of lines per layer and batch: every engine, then each of our ways and its ratios.

    Of medians, round by round, and in brackets of the least times.
    """
    peers = list(dict.fromkeys(one["name"] for row in section["rows"] for one in row["peers"]))
    head = ["weights, layer, images", "engine", "bits a weight", "ms", "least ms"]
    head += [*(f"{name} / it" for name in peers), "error or signal to noise"]
    lines = []
    for row in section["rows"]:
        layer = f"{row['weights']}, {row['inputs']} to {row['filters']}, {row['images']}"
        least = {one["name"]: one["min_ms"] for one in row["peers"]}
        for one in (*row["peers"], *row["ours"]):
            ratios = {
                name: f"{found['ratio']:.2f} ({least[name] / one['min_ms']:.2f})"
                for name, found in one.get("ratios", {}).items()
            }
            bits = f"{one['bits_per_weight']:.2f}" if "bits_per_weight" in one else ""
            lines.append(
                [
                    *(layer, _way_name(one), bits, _time(one), words.milliseconds(one["min_ms"])),
                    *(ratios.get(name, "") for name in peers),
                    words.agreement(one["max_relative_error"], one["snr_db"]),
                ]
            )
            layer = ""
    return markdown.table(head, lines, numbers_from=2)


def _way_name(one: Row) -> str:
    return f"signbin {one['name']}" if "kernel" in one else str(one["name"])


def threads_table(section: Row) -> str:
    """One line per network: images per second by threads and by processes."""
    head = ["network", "threads", "images/s", "images/s of as many processes", "share"]
    rows = [
        [
            row["network"],
            str(row["threads"]),
            f"{row['threads_images_per_s']:.1f}",
            f"{row['processes_images_per_s']:.1f}",
            words.percent(row["share"], 0),
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, rows, numbers_from=1)


def training_table(section: Row) -> str:
    """One line per setting: a step and an epoch of ours and of plain PyTorch, and their ratio."""
    head = ["weights", "setting", "threads", "device", "step, ms", "plain step, ms"]
    head += ["epoch, s", "plain epoch, s", "ours / plain"]
    rows = [
        [
            *(row["weights"], row["setting"], str(row["threads"]), row["device"]),
            *(_time(row["step"]), _time(row["plain_step"])),
            *(f"{row['epoch_s'][side]:.0f}" for side in ("signbin", "plain")),
            f"{row['epoch_ratio']:.2f}",
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, rows, numbers_from=4)


def instructions_table(section: Row) -> str:
    """One line per layer: kernel, instructions of one call, and per dense MAC."""
    head = ["layer", "weights", "kernel", "instructions", "per MAC"]
    rows = [
        [
            row["layer"],
            _weights(row),
            f"`{row['kernel']}`",
            words.count(row["instructions"]),
            f"{row['instructions_per_mac']:.3f}",
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, rows, numbers_from=3)


def weight_kinds_table(section: Row) -> str:
    """One line per kind of weights and activations: times, ratios to the first kind, counts."""
    head = [
        "activations",
        "walks",
        "weights",
        "low-bit layers, ms",
        "floor",
        "ratio",
        "least ms",
        "ratio",
        "network, ms",
        "ratio",
    ]
    head += ["load-adds, M", "boundaries, M", "window sums, M", "merges, M", "code"]
    counts = ("load_adds", "boundaries", "window_total", "merges")
    first: dict[tuple[str, bool], Row] = {}
    for row in section["rows"]:
        first.setdefault((row["activations"], row["jit"]), row)
    rows = [
        [
            *(row["activations"], "generated" if row["jit"] else "compiled", _weights(row)),
            *(_time(row["layers"]), words.milliseconds(row["floor_ms"])),
            f"{row['layers']['ratio']:.2f}",
            *_least(row, first[row["activations"], row["jit"]]),
            *(_time(row["whole"]), f"{row['whole']['ratio']:.2f}"),
            *(f"{row['operations_millions'][name]:.2f}" for name in counts),
            words.size(row["code_bytes"]),
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, rows, numbers_from=3)


def _least(row: Row, first: Row) -> list[str]:
    """Least time of the low-bit layers, and its ratio to the first kind's."""
    own, base = row["layers"]["min_ms"], first["layers"]["min_ms"]
    return [words.milliseconds(own), f"{own / base:.2f}"]


def foreign_networks_table(section: Row) -> str:
    """One line per network of other people: what became of it, and how far it is from its own."""
    head = ["network", "from", "operators", "compiled", "nodes by signbin", "seconds"]
    head += ["error", "refused, in seconds", "operators that are refused"]
    lines = []
    for row in section["rows"]:
        refused = ", ".join(f"{count} {name}" for name, count in sorted(row["refused"].items()))
        least = row.get("seconds_to_refuse")
        lines.append(
            [
                row["network"],
                row["package"],
                words.count(row["operators"]),
                row["outcome"],
                words.percent(row["share"]) if "share" in row else "",
                f"{row['seconds']:.1f}" if "seconds" in row else "",
                words.error(row["error"]) if "error" in row else "",
                "" if least is None else f"{least:.1f}",
                refused or row.get("why", ""),
            ]
        )
    return markdown.table(head, lines, numbers_from=4)


_ITS_KINDS: Final = ("int8", "dynamic int8", "fp32")


def families_table(section: Row) -> str:
    """One line per network that people use: agreement, and least times of ours and of theirs."""
    head = ["network", "input", "parameters", "int8, ms", "fp32, ms"]
    head += ["ONNX Runtime int8, ms", "dynamic int8, ms", "ONNX Runtime fp32, ms"]
    head += [
        "best of theirs / best of ours",
        "parts, ours + theirs",
        "fp32 error",
        "PyTorch's own",
        "int8 error",
        "theirs",
    ]
    days = {row.get("date", section.get("date")) for row in section["rows"]}
    head += ["codes that differ", *(["measured"] if len(days) > 1 else [])]
    lines = []
    for row in section["rows"]:
        parts = row["parts"][row["ours"]]
        lines.append(
            [
                row["network"],
                " x ".join(map(str, row["shape"])),
                words.count(row["parameters"]),
                *(_side(row, f"signbin {kind}", "min_ms") for kind in ("int8", "fp32")),
                *(_side(row, f"onnxruntime {kind}", "min_ms") for kind in _ITS_KINDS),
                f"{row['least_ratio']:.2f}",
                f"{parts['signbin']} + {parts['onnxruntime']}",
                words.error(row["error"]),
                words.error(row["pytorch_error"]),
                *(_side(row, f"{engine} int8", "error") for engine in ("signbin", "onnxruntime")),
                f"{row['codes_differing']} of {words.count(row['codes'])}",
                *([row.get("date", section.get("date"))] if len(days) > 1 else []),
            ]
        )
    return markdown.table(head, lines, numbers_from=2)


def _side(row: Row, name: str, figure: str) -> str:
    times = row["times"].get(name)
    if times is None:
        return ""
    return words.milliseconds(times[figure]) if figure == "min_ms" else words.error(times[figure])


TABLES: Final[Mapping[str, Callable[[Row], str]]] = {
    "training": training_table,
    "training_compiled": training_table,
    "headline": headline_table,
    "networks": networks_table,
    "kernels": kernels_table,
    "kernels_avx2": kernels_table,
    "int8_layers": int8_layers_table,
    "int8_layers_avx2": int8_layers_table,
    "int8_layers_dense": int8_layers_table,
    "linear_layers": linear_layers_table,
    "table_layers": table_layers_table,
    "weight_kinds": weight_kinds_table,
    "low_density": weight_kinds_table,
    "wide_resnet": wide_resnet_table,
    "wide_resnet_accuracy": wide_resnet_accuracy_table,
    "threads": threads_table,
    "instructions": instructions_table,
    "foreign_networks": foreign_networks_table,
    "families": families_table,
    "torch_operator": torch_operator_table,
    "server": server_table,
    "latency": latency_table,
    "latency_held": latency_table,
    "deploy": deploy_table,
}

_SECTIONS: Final = {"headline": "networks"}  # where a table is not named as what it is made of


def of_every_cpu(name: str, results: Path = RESULTS) -> str:
    """A table of the newest results of every CPU, one below the other, each with its caption."""
    if name not in TABLES:
        raise FormatError("table", value=name, allowed=", ".join(TABLES))
    sections = newest(_SECTIONS.get(name, name), results)
    found = [f"{_caption(section)}\n\n{TABLES[name](section)}" for section in sections]
    return "\n\n".join(found) or "No results yet."


def _caption(section: Row) -> str:
    environment = section["environment"]
    flags = environment["cpu"]["flags"]
    widest = next((flag for flag in ("avx512f", "avx2", "neon", "asimd") if flag in flags), "")
    cpu = f"{section['cpu']}{f' ({widest})' if widest else ''}"
    if "widest" in section:
        cpu += f", held to {section['isa']}"
    return f"{cpu}, {section['date']}, signbin {environment['native']['signbin']}:"


def _weights(row: Row) -> str:
    kind = str(row["weights"])
    return kind if row["density"] == 1.0 else f"{kind}, {row['density']:.2f}"


def _time(record: Row) -> str:
    return words.milliseconds(record["median_ms"])


def _our_name(row: Row) -> str:
    return f"signbin, {row['activations']}" if "activations" in row else "signbin"


def _engine_cells(engine: Row, ours: Row) -> list[str]:
    least = words.milliseconds(engine["min_ms"])
    ratios = ["", ""]
    if engine.get("not_comparable"):
        ratios = ["not comparable", ""]
    elif engine is not ours:
        ratios = [_ratio(engine), f"{engine['min_ms'] / ours['min_ms']:.2f}"]
    times = [_time(engine), ratios[0], least, ratios[1]]
    return [_ran_with(engine), *times, *_agreement(engine), words.size(engine["peak_bytes"])]


def _agreement(engine: Row) -> list[str]:
    """Error or signal to noise against the float network, and how often the top class stays."""
    found = engine["against_float"] if engine.get("activations") == "u8" else engine
    error = words.agreement(found["max_relative_error"], found.get("snr_db", 0.0))
    return [error, words.percent(found["top1_agreement"], 0)]


def _ran_with(engine: Row) -> str:
    """Instruction set, whether that was a limit, and the preparation where one was chosen."""
    told = str(engine.get("isa", ""))
    if engine.get("isa_limit"):
        told = f"{told} (limited)"
    preparation = engine.get("preparation") or {}
    if len(preparation.get("medians_ms", {})) > 1:
        told += f", {preparation['name']}"
    return told


def _kernel_cells(row: Row) -> list[str]:
    theirs = row["onednn"]
    return [
        row["layer"],
        _weights(row),
        row["strategy"],
        *(_time(row), words.milliseconds(row["floor_ms"]), f"{row['gmacs_per_s']:.0f}"),
        *(_time(theirs), words.milliseconds(theirs["floor_ms"]), f"{row['ratio']:.2f}"),
    ]
