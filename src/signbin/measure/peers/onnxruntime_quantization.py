"""ONNX Runtime's static quantisation: u8s8 in QDQ form, the fastest it has on x86.

Activations are unsigned with one scale and zero point per tensor, from the smallest and largest
value seen; weights are signed and symmetric with one scale per filter, and use 7 of their 8 bits
(``reduce_range``). Without VNNI, products of u8 and s8 are added in pairs in 16 bits, which
saturate at 8 bits; binary weights, all of the largest magnitude, suffer most. It is what ONNX
Runtime recommends for such CPUs, costs about 1 dB elsewhere, and does not change the work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)


class _Images(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
    """One image at a time."""

    def __init__(self, name: str, images: Any) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def prepare_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Quantise ``model`` with the images in ``calibration`` into ``output``.

    The tool recommends its pre-processing first, which folds batch norms and infers shapes: the
    exported network has neither batch norms nor unknown shapes.
    """
    logging.disable(logging.WARNING)
    images = np.load(request["calibration"], allow_pickle=False)
    session = onnxruntime.InferenceSession(request["model"], providers=["CPUExecutionProvider"])
    quantize_static(
        request["model"],
        request["output"],
        _Images(session.get_inputs()[0].name, images),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        calibrate_method=CalibrationMethod.MinMax,
    )
    return {"version": onnxruntime.__version__, "images": len(images)}
