"""NNCF's post-training quantisation, OpenVINO's own way to 8 bits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # a race reports to nobody

import nncf  # noqa: E402 - after that
import numpy as np  # noqa: E402
import openvino  # noqa: E402
from nncf.quantization.range_estimator import RangeEstimatorParametersSet  # noqa: E402


def prepare_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Quantise ``model`` with the images in ``calibration`` into ``output``.

    Preset PERFORMANCE: weights and activations symmetric. Ranges are the smallest and largest
    value seen, as the other engines': NNCF's default, means of the images' extremes, clips
    images of high contrast. That changes scales, not the work. Weights use 7 bits in the first
    layer alone, by default: without VNNI the sums of later layers may saturate. (Told to use 7
    bits everywhere, NNCF writes binary weights of +-1 as +64 and -63 and loses as much.)
    """
    images = np.load(request["calibration"], allow_pickle=False)
    model = openvino.Core().read_model(request["model"])
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(images), lambda image: image[None]),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(images),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    openvino.save_model(quantized, request["output"], compress_to_fp16=False)
    return {"version": nncf.__version__, "images": len(images)}
