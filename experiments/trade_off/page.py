"""docs/trade-off.md and its pictures, made from the results and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments import ROOT
from experiments.trade_off import COUNTS, TIMES, read
from experiments.trade_off.words import (
    GROUPS,
    KINDS,
    PAGE,
    SB,
    SHARED,
    TERNARY,
    TERNARY_SPARSE,
    TYPES,
    Rows,
    Totals,
    figures,
    gain,
)
from signbin.report import markdown
from signbin.report.charts import Line, line_chart

ENGINES: Final = ("sparse", "agr", "summerge", "cse", "bucket")
_STYLE: Final = (
    "<style>text{font:13px system-ui,sans-serif;fill:#222}.axis{fill:#666}"
    ".label{font-weight:600;font-size:11px}.grid{stroke:#8884}.line{fill:none;stroke-width:2}.bg{fill:#fff}"
    + "".join(
        f".c{i}{{fill:{c}}}.s{i}{{stroke:{c}}}.f{i}{{fill:{c}}}"
        for i, c in enumerate(("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f7f7f"))
    )
    + "@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#16181d}}</style>"
)


def pages() -> dict[Path, str]:
    """The page and its pictures."""
    found, docs = read(COUNTS), ROOT / "docs"
    return {
        docs / "trade-off.md": _page(found, read(TIMES)),
        docs / "trade-off-density.svg": _picture(
            "Additions per weight, bucket walk, 64 filters of 576 inputs",
            "additions per weight",
            _density_lines(found["density"]),
        ),
        docs / "trade-off-engines.svg": _picture(
            "Additions per weight, signed-binary, by engine",
            "additions per weight",
            _engine_lines(found["density"]),
        ),
    }


# ---- pictures -------------------------------------------------------------------------------


def _picture(title: str, y_label: str, lines: Sequence[Line]) -> str:
    drawn = line_chart(title, y_label, lines, "density, %")
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    body = f'{_STYLE}<rect class="bg" width="100%" height="100%"/><title>'
    return drawn.replace("<svg ", head, 1).replace("<title>", body, 1) + "\n"


def _per_weight(row: Mapping[str, Any], engine: str) -> float:
    return float(row["adds"][engine]) / (64 * 576)


def _density_lines(rows: Rows) -> list[Line]:
    shared = next(row for row in rows if row.get("form") == "shared total")
    level = _per_weight(shared, "bucket")
    lines = [
        Line(name.replace("_", "-"), color, _points(rows, name, "bucket"))
        for color, name in enumerate(("signed_binary", "ternary"))
    ]
    bound = [
        (100 * row["density"], row["bound"] / (64 * 576))
        for row in rows
        if row["kind"] == "signed_binary"
    ]
    return [
        *lines,
        Line("binary", 2, ((5.0, level), (100.0, level))),
        Line("bound", 4, tuple(bound)),
    ]


def _engine_lines(rows: Rows) -> list[Line]:
    return [
        Line(engine, color, _points(rows, "signed_binary", engine))
        for color, engine in enumerate(("bucket", "agr", "summerge"))
    ]


def _points(rows: Rows, kind: str, engine: str) -> tuple[tuple[float, float], ...]:
    return tuple(
        (100 * row["density"], _per_weight(row, engine)) for row in rows if row["kind"] == kind
    )


# ---- tables ---------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown.table(head, rows, numbers_from=1)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def density_table(rows: Rows) -> str:
    """Additions of every engine at every density."""
    header = ("weights", "density", "bits", "patterns of 8", *ENGINES, "bound", "bucket / bound")
    return _table(
        header,
        [
            (
                row["kind"].replace("_", "-") + (f", {row['form']}" if "form" in row else ""),
                f"{row['density']:g}",
                f"{row['entropy_bits']:.2f}",
                _count(row["patterns_of_8"]),
                *(_count(row["adds"][engine]) for engine in ENGINES),
                _count(row["bound"]),
                f"{row['adds']['bucket'] / row['bound']:.2f}" if row["bound"] else "-",
            )
            for row in rows
        ],
    )


def tile_table(rows: Rows) -> str:
    """SumMerge over tiles."""
    names = (SB, SHARED, GROUPS, TERNARY, TERNARY_SPARSE)
    return _table(
        ("filters x inputs", *names, f"{SHARED} / {SB}", f"{TERNARY} / {SB}"),
        [
            (
                f"{row['filters']} x {row['inputs']}",
                *(_count(row["adds"][name]) for name in names),
                f"{row['adds'][SHARED] / row['adds'][SB]:.2f}",
                f"{row['adds'][TERNARY] / row['adds'][SB]:.2f}",
            )
            for row in rows
        ],
    )


def support_table(rows: Rows) -> str:
    """Zeros skipped and zeros summed."""
    return _table(
        ("engine", "zeros skipped", "zeros summed", SHARED, GROUPS, "summed / two groups"),
        [
            (
                row["engine"],
                *(_count(row[name]) for name in ("on", "off", "shared total", "two groups")),
                f"{row['off'] / row['two groups']:.2f}",
            )
            for row in rows
        ],
    )


def block_table(rows: Rows) -> str:
    """Equality saturation."""
    return _table(
        ("weights", "blocks", "finished", "no worse", "SumMerge", "Q-gym", "fewer"),
        [
            (
                row["weights"],
                str(row["blocks"]),
                str(row["finished"]),
                str(row["no_worse"]),
                f"{row['summerge']:.1f}",
                f"{row['qgym']:.1f}",
                f"{1 - row['qgym'] / row['summerge']:.1%}",
            )
            for row in rows
        ],
    )


def named_table(rows: Rows, label: Callable[[Mapping[str, Any]], str], title: str) -> str:
    """Additions of all engines a row has."""
    engines = list(rows[0]["adds"])
    return _table(
        (title, *engines),
        [(label(row), *(_count(row["adds"][engine]) for engine in engines)) for row in rows],
    )


def linear_table(rows: Rows) -> str:
    """Linear layers."""
    names = (SB, SHARED, GROUPS, TERNARY)
    body = []
    for row in rows:
        for engine in ("summerge", "bucket"):
            found = [row["adds"][name][engine] for name in names]
            shape = f"{row['shape'][1]} -> {row['shape'][0]}, {engine}"
            body.append((shape, *map(_count, found), f"{found[1] / found[0]:.2f}"))
    return _table(("layer", *names, f"{SHARED} / {SB}"), body)


def resnet_table(rows: Rows) -> str:
    """ResNet-18, additions per image in millions."""
    engines = list(rows[0]["adds"])
    return _table(
        ("weights", "multiply-adds", *engines, "bound", "bucket / bound", "on codes / bound"),
        [
            (
                row["weights"],
                *(f"{value / 1e6:,.0f}" for value in (row["multiply_adds"],)),
                *(f"{row['adds'][engine] / 1e6:,.0f}" for engine in engines),
                f"{row['bound'] / 1e6:,.0f}",
                f"{row['adds']['bucket'] / row['bound']:.2f}",
                f"{row['adds']['bucket on codes'] / row['bound']:.2f}",
            )
            for row in rows
        ],
    )


def trained_table(networks: Mapping[str, Mapping[str, Any]]) -> str:
    """Trained weights beside the same weights shuffled; in millions per image."""
    body = []
    for name, network in networks.items():
        for state in ("as trained", "shuffled"):
            adds = network["adds"][state]
            body.append(
                (
                    f"{name}, {state}",
                    network["value_set"].replace("_", "-"),
                    f"{network['density']:.3f}",
                    *(f"{adds[engine] / 1e6:.3f}" for engine in ENGINES),
                    f"{network['bound'] / 1e6:.3f}",
                )
            )
    return _table(("network", "weights", "density", *ENGINES, "bound"), body)


def zero_table(networks: Mapping[str, Mapping[str, Any]]) -> str:
    """How often zeros of eight filters coincide."""
    return _table(
        ("network", "density", "p0(8)", "if zeros were independent"),
        [
            (
                name,
                f"{network['density']:.3f}",
                f"{network['zero_patterns_of_8']:.3f}",
                f"{network['if_independent']:.3f}",
            )
            for name, network in networks.items()
        ],
    )


def grouping_table(found: Mapping[str, Any]) -> str:
    """Load-adds saved by regrouping filters."""
    named = [(name, network["grouping"]) for name, network in found["trained"].items()]
    named += [
        (f"independent, {row['channels']} channels", row["grouping"])
        for row in found["grouping_of_random"]
    ]
    first = named[0][1]
    header = [f"F = {one['filters']}, {_chunk_words(one['chunk'])}" for one in first]
    return _table(
        ("weights", *header),
        [(name, *(f"{gain(one):.1%}" for one in rows)) for name, rows in named],
    )


def _chunk_words(chunk: int | None) -> str:
    return "all channels" if chunk is None else f"chunks of {chunk}"


# ---- times ----------------------------------------------------------------------------------


def totals(times: Mapping[str, Any]) -> Totals:
    """(kind, type, engine) -> sums over the layers, each as often as the network has it.

    ms, min_ms; adds and bound per image; bytes of offsets and lists. Only engines that every
    layer of the kind and type has, and only kinds and types of which all layers are timed.
    """
    rows = list(times["rows"].values()) if times else []
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for kind in KINDS:
        for type_ in TYPES:
            chosen = [row for row in rows if (row["kind"], row["type"]) == (kind, type_)]
            if not chosen or len(chosen) < times["layers"]:
                continue
            shared = set.intersection(*(set(row["engines"]) for row in chosen))
            for engine in (name for name in chosen[0]["engines"] if name in shared):
                found[kind, type_, engine] = _total(chosen, engine)
    return found


def _total(rows: Rows, engine: str) -> dict[str, float]:
    sums = dict.fromkeys(("ms", "min_ms", "bytes", "adds", "bound", "layers"), 0.0)
    for row in rows:
        one, times, outputs = row["engines"][engine], row["times"], row["outputs"]
        sums["layers"] += times
        sums["ms"] += times * one["median_ms"]
        sums["min_ms"] += times * one["min_ms"]
        sums["bytes"] += times * one["bytes"]
        sums["adds"] += times * outputs * one["adds"]
        sums["bound"] += times * outputs * row["bound"]
    return sums


def times_table(times: Mapping[str, Any]) -> str:
    """ResNet-18's quantised layers: additions, bytes and milliseconds of every engine."""
    sums = totals(times)
    if not sums:
        return "Not timed yet: `python -m experiments.trade_off --measure`."
    header = ["weights", "engine"]
    for name in TYPES.values():
        header += [f"{name}: adds, M", "/ limit", "MB", "ms (least)", "/ walk"]
    body = []
    for kind in KINDS:
        engines = dict.fromkeys(engine for key, _, engine in sums if key == kind)
        for engine in engines:
            cells = [_time_cells(sums, kind, type_, engine) for type_ in TYPES]
            body.append((kind.replace("_", "-"), engine, *cells[0], *cells[1]))
        body.append(_limit_row(sums, kind))
    return _table(header, body)


def machine_words(times: Mapping[str, Any]) -> str:
    """Where and how it was timed."""
    if not times:
        return ""
    machine = times["environment"]
    isa = "AVX-512 in fp32, AVX2 on codes" if "avx512f" in machine["cpu"]["flags"] else "AVX2"
    return (
        f"{machine['cpu']['model']} ({isa}; walks of floats become machine code for AVX2 alone), "
        f"{machine['time_utc'][:10]}, one core, {times['tuning_seconds']:g} s of tuning per engine "
        "and row."
    )


def _time_cells(sums: Totals, kind: str, type_: str, engine: str) -> tuple[str, ...]:
    one = sums.get((kind, type_, engine))
    if one is None:
        return ("-",) * 5
    return (
        f"{one['adds'] / 1e6:,.0f}",
        f"{one['adds'] / one['bound']:.2f}",
        f"{one['bytes'] / 1e6:.2f}",
        f"{one['ms']:.2f} ({one['min_ms']:.2f})",
        f"{one['ms'] / sums[kind, type_, 'bucket']['ms']:.2f}",
    )


def _limit_row(sums: Totals, kind: str) -> tuple[str, ...]:
    limits = []
    for type_ in TYPES:
        one = sums.get((kind, type_, "bucket"))
        limits += ["-" if one is None else f"{one['bound'] / 1e6:,.0f}", "1.00", "", "", ""]
    return (kind.replace("_", "-"), "*limit of random weights*", *limits)


def _page(found: Mapping[str, Any], times: Mapping[str, Any]) -> str:
    networks = found["trained"]
    return PAGE.format(
        **figures(found, totals(times)),
        density=density_table(found["density"]),
        tiles=tile_table(found["tiles"]),
        support=support_table(found["support"]),
        blocks=block_table(found["sub_blocks"]),
        regions=named_table(
            found["regions"], lambda row: f"{row['channels']} channels", "sign per region of"
        ),
        aligned=named_table(
            found["aligned"], lambda row: f"{row['share']:.0%}", "positions zero in whole groups"
        ),
        extremes=named_table(
            found["extremes"],
            lambda row: (
                f"{row['weights']} (density {row['density']:.2f}, "
                f"{row['patterns_of_8']:.0f} patterns of 8)"
            ),
            "weights",
        ),
        linear=linear_table(found["linear"]),
        resnet=resnet_table(found["resnet18"]),
        trained=trained_table(networks) if networks else "No trained network was analysed.",
        zeros=zero_table(networks) if networks else "",
        grouping=grouping_table(found) if networks else "",
        times=times_table(times),
        machine=machine_words(times),
    )
