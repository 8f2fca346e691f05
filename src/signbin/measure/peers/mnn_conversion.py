"""MNN's converter from ONNX, called as the native module it is.

The package's own scripts (``mnnconvert``, ``MNN.tools``) install further packages with pip and
report every conversion to their maker; the native module does neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _tools


def prepare_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Convert ``model`` with float32 weights into ``output``; RuntimeError where MNN cannot."""
    files = ["--modelFile", request["model"], "--MNNModel", request["output"]]
    _tools.mnnconvert(["MNNConvert", "-f", "ONNX", *files, "--bizCode", "signbin"])
    if not Path(request["output"]).is_file():
        raise RuntimeError("MNN's converter wrote nothing")
    return {"version": version("mnn")}
