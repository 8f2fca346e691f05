"""Which node tests of ONNX itself the reader passes: the table of onnx.md.

    python -m docs.onnx_operators    # runs them all, and writes docs/onnx-operators.json

A node test is a model of one node, with inputs and the results that ONNX's authors expect. Its
inputs are the network's where they are float32, and constants elsewhere: one alone, or all of
them; with the batch as their first extent, or without one. It passes where any of
these is read and the interpreter gives the expected results.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from docs.rooms import as_markdown
from signbin.errors import CaptureError, ExecutionError, SignbinError
from signbin.ir import Graph, interpret
from signbin.onnx_reader import CLAIMS, read_onnx
from signbin.report.markdown import table

__all__ = ["RESULTS", "Case", "cases", "operators", "outcome", "with_constants"]

RESULTS: Final = Path(__file__).parent / "onnx-operators.json"
_PASSED: Final = ""
_RELATIVE: Final = 1e-3  # ONNX's own
_ABSOLUTE: Final = 1e-5  # where sums cancel; ONNX compares with float64 results there


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One node test: of an operator, with the first of its data sets."""

    name: str
    operator: str
    model: ModelProto
    inputs: tuple[NDArray[Any], ...]
    results: tuple[NDArray[Any], ...]

    @property
    def of_numbers(self) -> bool:
        """Whether it computes float32 results of float32 inputs."""
        made = [array for array in self.results if array.dtype == np.float32]
        values = [array for array in (*self.inputs, *self.results) if array.dtype == np.float32]
        some = all(array.size for array in values)
        reads = bool(self.inputs) and self.inputs[0].dtype == np.float32 and bool(self.floats)
        return reads and bool(made) and len(made) == len(self.results) and some

    @property
    def of_training(self) -> bool:
        """Whether it is about training."""
        return any(
            each.name == "training_mode" and each.i for each in self.model.graph.node[0].attribute
        )

    @property
    def floats(self) -> list[int]:
        """Positions of the inputs that can be values of a network."""
        return [
            at for at, array in enumerate(self.inputs) if array.dtype == np.float32 and array.ndim
        ]


def cases() -> Iterator[Case]:
    """Every node test of the operators that are claimed."""
    from onnx.backend.test.loader import load_model_tests  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    for each in found:
        model, data = each.model, each.data_sets
        if model is None or not data or len(model.graph.node) != 1:
            continue
        node = model.graph.node[0]
        given, made = data[0]
        arrays = [*given, *made]
        plain = all(isinstance(array, np.ndarray) for array in arrays)
        if node.domain in ("", "ai.onnx") and node.op_type in CLAIMS and plain:
            yield Case(each.name, node.op_type, model, tuple(given), tuple(made))


def outcome(case: Case) -> str:
    """ "" where it passes, else why it is not read; AssertionError where the results are others."""
    reasons = []
    for batched, values in itertools.product((True, False), _chosen(case)):
        try:
            graph = read_onnx(with_constants(case, values), "case", batched=batched)
            made = _made(case, graph, values, batched=batched)
        except (CaptureError, ExecutionError) as error:
            reasons.append(_short(error))
            continue
        for actual, expected in zip(made, case.results, strict=True):
            np.testing.assert_allclose(actual, expected, _RELATIVE, _ABSOLUTE, err_msg=case.name)
        return _PASSED
    return reasons[0]


def _chosen(case: Case) -> list[Sequence[int]]:
    """Which inputs are the network's: one, or all; the first alone says best why it is refused."""
    every = case.floats
    return [*([at] for at in every), *([every] if len(every) > 1 else [])]


def with_constants(case: Case, values: Sequence[int]) -> ModelProto:
    """The case's model with all inputs but these as constants."""
    model = ModelProto()
    model.CopyFrom(case.model)
    given = [info.name for info in case.model.graph.input]
    del model.graph.input[:]
    for at, (info, array) in enumerate(zip(case.model.graph.input, case.inputs, strict=True)):
        if at in values:
            model.graph.input.append(info)
        else:
            model.graph.initializer.append(numpy_helper.from_array(array, given[at]))
    return model


def _made(case: Case, graph: Graph, values: Sequence[int], *, batched: bool) -> list[NDArray[Any]]:
    """What the interpreter makes of the case's inputs."""
    given = {
        value.name: case.inputs[at] if batched else case.inputs[at][None]
        for value, at in zip(graph.inputs, values, strict=True)
    }
    made = interpret(graph, given)
    return [made[name] if batched else made[name][0] for name in graph.outputs]


def _short(error: SignbinError) -> str:
    """The reason alone."""
    lines = str(error).splitlines()
    if len(lines) == 1:
        return lines[0].partition("; allowed")[0]
    return lines[1].split(": ", 2)[-1].rpartition("; ")[0]


def operators() -> str:
    """Node tests by operator: how many pass, and why others are refused."""
    found: dict[str, dict[str, str]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = []
    for operator in (name for name in CLAIMS if "." not in name):
        of_one = found.get(operator, {})
        reasons: dict[str, list[str]] = {}
        for name, reason in of_one.items():
            if reason:
                reasons.setdefault(reason, []).append(name.removeprefix("test_"))
        passed = sum(not reason for reason in of_one.values())
        refused = "; ".join(
            f"{as_markdown(reason)} ({', '.join(f'`{name}`' for name in names)})"
            for reason, names in reasons.items()
        )
        rows.append((f"`{operator}`", f"{passed} of {len(of_one)}" if of_one else "none", refused))
    return table(("operator", "node tests passed", "refused, and why"), rows)


def main() -> int:
    """Run all and write what came out."""
    found: dict[str, dict[str, str]] = {}
    for case in cases():
        if case.of_numbers and not case.of_training:
            found.setdefault(case.operator, {})[case.name] = outcome(case)
    ordered = {name: dict(sorted(found[name].items())) for name in sorted(found)}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
