"""Do the times that ``signbin check`` predicts come true?

    python -m benchmarks.latency measure [resnet18 ...] [--isa avx2]
    python -m benchmarks.latency describe [--isa avx2]
    python -m benchmarks.latency fit

measure: compiles every network in every scheme of ``check``, with drawn weights and filters
regrouped as ``compile`` does, and keeps the least time of every step over rounds of turns.
describe: what their steps do is told anew, of the same times, where ``check`` counts otherwise than
when they were measured; only on the CPU they were measured on, whose kernels decide about plans.
fit: the rates of this CPU, from all networks that were measured, into the package. The table of
the documentation predicts every network with rates fitted to the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.latency_networks import NETWORKS, example_of
from benchmarks.options import make_parser
from benchmarks.results import newest, record, todays
from signbin import native
from signbin.analysis.latency import TERMS, Rates, StepWork, fit, predict, step_works
from signbin.artifact import Artifact
from signbin.capture import capture
from signbin.documents import to_document
from signbin.files import write_text
from signbin.ir import Graph
from signbin.passes import lower
from signbin.plan import GroupSearch, Target, make_plan
from signbin.report import markdown
from signbin.runtime import Program
from signbin.verbs.check.machines import machine_of
from signbin.verbs.check.schemes import SCHEMES, as_scheme, expected_of, low_bit_layers, stand_in

SECTION: Final = "latency"
HELD: Final = "latency_held"
"""Programs that are held to a narrower instruction set than their CPU has."""
_FOLDER: Final = Path(__file__).parents[1] / "src/signbin/verbs/check/rates"
_GROUPING: Final = GroupSearch(seconds=5.0)
_TURN: Final = 4
_WANTED: Final = 0.25


def measure(name: str, rounds: int, isa: str = "auto") -> list[dict[str, Any]]:
    """Every scheme of a network: least milliseconds of a call and of its steps, and their work."""
    graph, target = _graph(name), machine_of(isa)
    layers = low_bit_layers(graph)
    rows, programs = [], []
    for scheme in SCHEMES:
        drawn = as_scheme(graph, layers, scheme)
        plan = make_plan(drawn, native.kernels(), target, grouping=_GROUPING)
        programs.append(Program(Artifact(drawn, plan), isa=target.isa))
        row: dict[str, Any] = {"network": name, "scheme": scheme.name, "ms": math.inf, "steps": {}}
        rows.append({**row, "file_bytes": len(programs[-1].to_bytes())})
    shape = graph.inputs[0].type.shape[1:]
    image = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    for _ in range(rounds):
        for program, row in zip(programs, rows, strict=True):
            _take_turn(program, row, image)
    return [{**row, "work": works_of(graph, str(row["scheme"]), target)} for row in rows]


def works_of(graph: Graph, scheme: str, target: Target) -> list[list[Any]]:
    """[step, kind, amounts] of every step, as ``check`` expects them.

    The last amount, which is one, is left out, and whole numbers are written as such: a file has
    thousands of them.
    """
    chosen = next(one for one in SCHEMES if one.name == scheme)
    made = stand_in(graph, low_bit_layers(graph), chosen)
    plan = make_plan(made, native.kernels(), target, expected=expected_of(made))
    works = step_works(made, plan, target)
    return [[work.name, work.kind, [_short(one) for one in work.amounts[:-1]]] for work in works]


def describe(rows: Sequence[Mapping[str, Any]], isa: str) -> list[dict[str, Any]]:
    """Measured rows with the work of their steps as it is counted now."""
    graphs = {name: _graph(name) for name in dict.fromkeys(row["network"] for row in rows)}
    target = machine_of(isa)
    return [
        {**row, "work": works_of(graphs[row["network"]], row["scheme"], target)} for row in rows
    ]


def _short(amount: float) -> float:
    rounded = float(f"{amount:.6g}")
    return int(rounded) if rounded.is_integer() else rounded


def _take_turn(program: Program, row: dict[str, Any], image: np.ndarray[Any, Any]) -> None:
    program(image)
    for _ in range(_TURN):
        start = time.perf_counter()
        program(image)
        row["ms"] = min(row["ms"], 1e3 * (time.perf_counter() - start))
        for step in program.profile(image):
            row["steps"][step.name] = min(step.ms, row["steps"].get(step.name, math.inf))


def rates_from(rows: Sequence[Mapping[str, Any]], source: str, machine: Mapping[str, Any]) -> Rates:
    """Rates fitted to all steps of these rows."""
    measured = [(work, row["steps"][work.name]) for row in rows for work in _works(row)]
    return Rates(machine["cpu"], machine["isa"], source, fit(measured), machine.get("widest", ""))


def predicted(section: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], float, bool]]:
    """Every row with the milliseconds that rates from the other networks predict for it.

    Kinds of steps that no other network has take the rates of all networks; then the last is True.
    """
    found = []
    for name in dict.fromkeys(row["network"] for row in section["rows"]):
        others = [row for row in section["rows"] if row["network"] != name]
        apart = rates_from(others, "", section)
        whole = rates_from(section["rows"], "", section)
        rates = dataclasses.replace(apart, kinds={**whole.kinds, **apart.kinds})
        for row in section["rows"]:
            if row["network"] == name:
                works = _works(row)
                alone = any(work.kind not in apart.kinds for work in works)
                found.append((row, sum(predict(works, rates).values()), alone))
    return found


def latency_table(section: Mapping[str, Any]) -> str:
    """One line per network: how far off what the others predict is, over its schemes.

    And how many are near with the rates of all networks, which are those that ``check`` has.
    """
    found: dict[str, list[tuple[float, str, bool]]] = {}
    whole = rates_from(section["rows"], "", section)
    near: dict[str, int] = {}
    for row in section["rows"]:
        ms = sum(predict(_works(row), whole).values())
        is_near = abs(ms / row["ms"] - 1) <= _WANTED
        near[row["network"]] = near.get(row["network"], 0) + is_near
    for row, ms, alone in predicted(section):
        found.setdefault(row["network"], []).append((ms / row["ms"] - 1, row["scheme"], alone))
    head = (
        "network",
        "schemes",
        "within 25 %",
        "off by, median",
        "worst",
        "at",
        "of its own rates",
        "within 25 % of what check says",
    )
    lines = [[*_line(name, errors), str(near[name])] for name, errors in found.items()]
    return markdown.table(head, lines, numbers_from=1)


def _line(name: str, errors: Sequence[tuple[float, str, bool]]) -> list[str]:
    worst, scheme, _ = max(errors, key=lambda one: abs(one[0]))
    return [
        name,
        str(len(errors)),
        str(sum(abs(error) <= _WANTED for error, _, _ in errors)),
        f"{100 * statistics.median(error for error, _, _ in errors):+.0f} %",
        f"{100 * worst:+.0f} %",
        scheme,
        str(sum(alone for _, _, alone in errors)),
    ]


def _works(row: Mapping[str, Any]) -> list[StepWork]:
    """Of rows that are older than centring, its amounts are zero: nothing was centred then."""
    return [
        StepWork(name, kind, (*amounts, *[0.0] * (len(TERMS) - 1 - len(amounts)), 1.0))
        for name, kind, amounts in row["work"]
    ]


def _graph(name: str) -> Graph:
    return lower(capture(*example_of(name)))


def section_of(isa: str) -> str:
    """Where rows of an instruction set are kept."""
    return SECTION if native.resolve_isa(isa) == native.resolve_isa("auto") else HELD


def keep(rows: list[dict[str, Any]], folder: Path, isa: str = "auto") -> Path:
    """Today's record with these rows in place of those of the same networks."""
    names, section = {row["network"] for row in rows}, section_of(isa)
    known = (todays(section, folder) or {"rows": []})["rows"]
    kept = [row for row in known if row["network"] not in names]
    machine = native.cpu()
    held = {"widest": machine["isa"]} if section == HELD else {}
    content = {"cpu": machine["name"], "isa": native.resolve_isa(isa), **held}
    return record(section, {**content, "rows": [*kept, *rows]}, folder)


def main() -> None:
    """Measure, describe, or fit."""
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=["measure", "describe", "fit"])
    parser.add_argument("networks", nargs="*", help=", ".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--isa", default="auto", help="the instruction set to hold programs to")
    options: argparse.Namespace = parser.parse_args()
    if options.what == "measure":
        for name in options.networks or NETWORKS:
            keep(measure(name, options.rounds, options.isa), options.results, options.isa)
    elif options.what == "describe":
        known = todays(section_of(options.isa), options.results)
        keep(describe(known["rows"] if known else [], options.isa), options.results, options.isa)
    else:
        for name in (SECTION, HELD):
            for section in newest(name, options.results):
                _write_rates(section)


def _write_rates(section: Mapping[str, Any]) -> None:
    networks = ", ".join(dict.fromkeys(row["network"] for row in section["rows"]))
    rates = rates_from(section["rows"], f"fitted to {networks}, {section['date']}", section)
    held = f"-of-{rates.widest}" if rates.widest else ""
    slug = f"{section['cpu'].lower().replace(' ', '-')}-{section['isa']}{held}.json"
    _FOLDER.mkdir(exist_ok=True)
    write_text(_FOLDER / slug, json.dumps(to_document(rates), indent=1) + "\n")


if __name__ == "__main__":
    main()
