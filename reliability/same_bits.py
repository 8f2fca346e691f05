"""Random networks with each choice of the engine made in turn: codes keep their bits.

    python -m reliability.same_bits --networks 1000
    python -m reliability.same_bits --go-on          # from the seed where the last run ended

Every network is run as planned, then with every strategy forced, on every instruction set of this
CPU, without machine code, on three threads, with its filters regrouped, image by image, and lowered
by all passes but one. What holds of each run:

- every node on codes computes the interpreter's bits of the operands it had;
- every node on float32 alone is within 1e-4 of the interpreter, relative to its largest number;
- threads and the split of a batch change no bit at all, of codes or floats;
- without a pass outputs of networks on codes have the same bits, those of float32 differ by 1e-4.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from reliability import RESULTS, ROOT
from signbin import native
from signbin.artifact import Artifact
from signbin.diagnose import measure_exactness, measure_float_nodes
from signbin.environment import environment
from signbin.errors import PlanError
from signbin.files import write_text
from signbin.ir import Graph, print_graph
from signbin.passes import PASSES, lower
from signbin.plan import GroupSearch, Strategy, Target, make_plan
from signbin.runtime import Program

__all__ = [
    "Outcome",
    "Run",
    "check_network",
    "check_networks",
    "check_passes",
    "random_networks",
    "runs_of",
]

_FLOATS: Final = 1e-4
_IMAGES: Final = 3
_SEARCHED: Final = 10
"""One network of so many is run with sums that are searched for, which takes a second."""
_EXACTLY_ALIKE: Final = ("three threads", "image by image")

Values = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Run:
    """One way of running a network: what differs from the plan, and its trace."""

    name: str
    trace: Callable[[list[NDArray[np.float32]]], Values]


@dataclasses.dataclass
class Outcome:
    """What was run and compared. failures: what differed, at most a hundred, in words."""

    networks: int = 0
    runs: int = 0
    codes: int = 0
    float_nodes: int = 0
    worst_float: float = 0.0
    by_run: dict[str, int] = dataclasses.field(default_factory=dict)
    operations: dict[str, int] = dataclasses.field(default_factory=dict)
    failures: list[str] = dataclasses.field(default_factory=list)

    def ran(self, name: str) -> None:
        """Count a run."""
        self.runs += 1
        self.by_run[name] = self.by_run.get(name, 0) + 1

    def fail(self, words: str) -> None:
        """Remember a difference."""
        if len(self.failures) < 100:
            self.failures.append(words)


def random_networks() -> Any:
    """The random networks of the test suite."""
    path = ROOT / "tests" / "ir" / "random_graphs.py"
    spec = importlib.util.spec_from_file_location("random_graphs", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018 - the file is ours
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_of(graph: Graph, *, searches: bool = True) -> Iterator[Run]:
    """The network as planned; then with one choice made otherwise.

    searches: strategies too that look for sums for seconds.
    """
    yield Run("as planned", _traced(Program(Artifact(graph))))
    usable = {kernel.isa for kernel in native.kernels() if kernel.usable}
    for isa in ("auto", *(isa for isa in native.isas() if isa in usable)):
        yield Run(f"isa {isa}", _traced(Program(Artifact(graph), isa=isa)))
    for strategy in Strategy:
        if strategy is Strategy.QGYM and not searches:
            continue
        try:
            forced = Program(Artifact(graph), strategy=strategy)
        except PlanError:  # serves no layer of this network
            continue
        yield Run(f"strategy {strategy.value}", _traced(forced))
    yield Run("no machine code", _traced(Program(Artifact(graph), jit=False)))
    yield Run("three threads", _traced(Program(Artifact(graph), threads=3)))
    target = Target.from_cpu(native.cpu())
    plan = make_plan(graph, native.kernels(), target, grouping=GroupSearch(seconds=0.05))
    yield Run("filters regrouped", _traced(Program(Artifact(graph, plan))))
    yield Run("image by image", _one_by_one(Program(Artifact(graph))))


def _traced(program: Program) -> Callable[[list[NDArray[np.float32]]], Values]:
    return lambda images: program.trace(*images)


def _one_by_one(program: Program) -> Callable[[list[NDArray[np.float32]]], Values]:
    def trace(images: list[NDArray[np.float32]]) -> Values:
        parts = [
            program.trace(*(array[place : place + 1] for array in images))
            for place in range(len(images[0]))
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return trace


def check_network(
    graph: Graph,
    images: list[NDArray[np.float32]],
    outcome: Outcome,
    label: str,
    *,
    searches: bool = True,
) -> None:
    """Run a lowered graph in every way and count what was compared."""
    outcome.networks += 1
    for node in graph.nodes:
        outcome.operations[node.op] = outcome.operations.get(node.op, 0) + 1
    planned: Values = {}
    for run in runs_of(graph, searches=searches):
        values = run.trace(images)
        planned = planned or values
        outcome.ran(run.name)
        where = f"{label}, {run.name}"
        _check_codes(graph, values, outcome, where)
        _check_floats(graph, values, outcome, where)
        if run.name in _EXACTLY_ALIKE:
            _check_alike(planned, values, outcome, where)


def check_passes(
    original: Graph, images: list[NDArray[np.float32]], outcome: Outcome, label: str
) -> None:
    """Run it lowered by all passes but one, for every pass that changes something of it."""
    lowered = lower(original)
    text = print_graph(lowered)
    traced = Program(Artifact(lowered)).trace(*images)
    expected = [traced[name] for name in lowered.outputs]
    exact = any(node.op == "quantize" for node in original.nodes)
    for left_out in PASSES:
        graph = original
        for pass_ in PASSES:
            graph = graph if pass_ is left_out else pass_(graph)
        if print_graph(graph) == text:
            continue
        name = f"without {left_out.__name__.replace('_', ' ')}"
        outcome.ran(name)
        values, where = Program(Artifact(graph)).trace(*images), f"{label}, {name}"
        _check_codes(graph, values, outcome, where)
        _check_floats(graph, values, outcome, where)
        for output, wanted in zip(graph.outputs, expected, strict=True):
            if not _close(values[output], wanted, exact=exact):
                outcome.fail(f"{where}: output {output} differs")


def _close(found: NDArray[Any], wanted: NDArray[Any], *, exact: bool) -> bool:
    if exact or wanted.dtype != np.float32:
        return np.array_equal(found, wanted, equal_nan=True)
    finite = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
    return np.allclose(found, wanted, rtol=0.0, atol=_FLOATS * float(finite), equal_nan=True)


def _check_codes(graph: Graph, values: Values, outcome: Outcome, where: str) -> None:
    found = measure_exactness(graph, values)
    if found is not None:
        outcome.codes += found.values
        if found.differing:
            outcome.fail(f"{where}: {found.differing} codes differ, first of {found.first}")


def _check_floats(graph: Graph, values: Values, outcome: Outcome, where: str) -> None:
    found = measure_float_nodes(graph, values)
    outcome.float_nodes += found.nodes
    outcome.worst_float = max(outcome.worst_float, found.max_relative_error)
    if found.max_relative_error > _FLOATS:
        outcome.fail(f"{where}: {found.worst} is {found.max_relative_error:.1e} off")


def _check_alike(planned: Values, values: Values, outcome: Outcome, where: str) -> None:
    for name, expected in planned.items():
        if not np.array_equal(values[name], expected, equal_nan=True):
            outcome.fail(f"{where}: {name} has other bits")
            return


def _runnable(graph: Graph) -> Graph | None:
    """Without outputs that are inputs, which programs refuse; None where there are no others."""
    nodes = {node.name for node in graph.nodes}
    outputs = tuple(name for name in graph.outputs if name in nodes)
    return dataclasses.replace(graph, outputs=outputs) if outputs else None


def check_networks(
    count: int,
    first_seed: int = 0,
    progress: Callable[[int], None] = lambda _done: None,
    outcome: Outcome | None = None,
) -> Outcome:
    """So many networks of each kind, float32 and on codes, from consecutive seeds.

    outcome: of earlier seeds, to which these are added.
    """
    made = random_networks()
    outcome = Outcome() if outcome is None else outcome
    for seed in range(first_seed, first_seed + count):
        for kind, original in (
            ("float32", _runnable(made.random_network(seed))),
            ("codes", _runnable(made.random_quantized_network(seed))),
        ):
            if original is None:
                continue
            graph = lower(original) if kind == "float32" else original
            given = made.random_inputs(graph, images=_IMAGES, seed=seed)
            images = [given[value.name] for value in graph.inputs]
            searches, label = seed % _SEARCHED == 0, f"{kind} network {seed}"
            check_network(graph, images, outcome, label, searches=searches)
            check_passes(original, images, outcome, label)
        progress(seed - first_seed + 1)
    return outcome


def main() -> int:
    """Check, keep what was counted, and exit with 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=1000, help="of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--go-on", action="store_true", help="after what is kept already")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "same-bits.json")
    options = parser.parse_args()
    first, seeds, seconds, outcome = options.first_seed, 0, 0.0, Outcome()
    if options.go_on and options.output.is_file():
        first, seeds, seconds, outcome = _kept(options.output)
    start = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("networks", total=options.networks)
        check_networks(
            options.networks,
            first + seeds,
            lambda done: bar.update(task, completed=done),
            outcome,
        )
    document = {
        "seconds": round(seconds + time.monotonic() - start, 1),
        "first_seed": first,
        "seeds": seeds + options.networks,
        **dataclasses.asdict(outcome),
        "environment": environment({"signbin": native.version()}),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.output, json.dumps(document, indent=1) + "\n")
    for failure in outcome.failures:
        sys.stderr.write(f"{failure}\n")
    sys.stdout.write(f"{outcome.runs} runs, {len(outcome.failures)} failures: {options.output}\n")
    return 1 if outcome.failures else 0


def _kept(path: Path) -> tuple[int, int, float, Outcome]:
    """The first seed, how many there were, the seconds they took, and what they came to."""
    document = json.loads(path.read_text(encoding="utf-8"))
    counts = {field.name: document[field.name] for field in dataclasses.fields(Outcome)}
    return document["first_seed"], document["seeds"], document["seconds"], Outcome(**counts)


if __name__ == "__main__":
    sys.exit(main())
