"""OpenVINO's CPU plugin: ONNX or its own format, float or quantised, as the file says."""

from __future__ import annotations

import collections
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # a race reports to nobody

import openvino  # noqa: E402 - after that


def open_model(request: Mapping[str, Any]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """The model for one fixed shape, one stream, ``threads`` threads, in float32 or integers.

    float32 is asked for because OpenVINO would compute in bfloat16 where the CPU has it.
    """
    core = openvino.Core()
    model = core.read_model(request["model"])
    model.reshape({model.inputs[0]: request["shape"]})
    settings = {
        "INFERENCE_NUM_THREADS": request["threads"],
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(model, "CPU", settings)
    infer_request, result = compiled.create_infer_request(), compiled.outputs[0]

    def run(images: Any) -> Any:
        return infer_request.infer([images], share_inputs=True, share_outputs=True)[result]

    return run, {"version": openvino.get_version().partition("-")[0], **_executed(compiled)}


def _executed(compiled: Any) -> dict[str, Any]:
    """``primitives``: how often each kind runs; ``isa``: the one most of them are written in."""
    kinds: collections.Counter[str] = collections.Counter()
    for operation in compiled.get_runtime_model().get_ops():
        told = operation.get_rt_info()
        if "primitiveType" in told:
            kind = told["primitiveType"]
            kinds[kind if isinstance(kind, str) else kind.astype(str)] += 1
    sets: collections.Counter[str] = collections.Counter()
    for kind, count in kinds.items():
        for isa in re.findall(r"amx|avx512|avx2|sse\d+|asimd|sve", kind):
            sets[isa] += count
    facts: dict[str, Any] = {"primitives": dict(sorted(kinds.items()))}
    if sets:
        facts |= {"isa": sets.most_common(1)[0][0], "isa_from": "most of the primitives executed"}
    return facts
