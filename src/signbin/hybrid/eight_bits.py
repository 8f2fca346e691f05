"""A network as ONNX Runtime's own tool quantises it: one more way to run it, where codes do."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import load_model

from signbin.errors import ExecutionError
from signbin.hybrid.network import OnnxNetwork, read_network
from signbin.hybrid.session import RuntimePart
from signbin.measure import agreement

__all__ = ["EightBits", "quantized_by_onnx_runtime"]

_COMPARED: Final = 16
_WARNINGS, _ERRORS = 2, 3  # of ONNX Runtime; it is at the first unless somebody says otherwise
_MOST_ERROR: Final = (
    0.2  # as for codes of signbin's own: more is not the network that was asked for
)


@dataclasses.dataclass(frozen=True, eq=False)
class EightBits:
    """The network with QuantizeLinear and DequantizeLinear around its layers.

    error: max |difference| / max |expected| of its first output from that of the float one, on some
    of the samples.
    """

    network: OnnxNetwork
    error: float


def quantized_by_onnx_runtime(
    network: OnnxNetwork, samples: NDArray[np.float32]
) -> tuple[EightBits | None, str]:
    """The network in 8 bits, calibrated on the samples; None, and why, where there is none.

    It must have one input, its first axis the batch.
    """
    if len(network.inputs) != 1:
        return None, "it has several inputs"
    try:
        with tempfile.TemporaryDirectory(prefix="signbin-") as folder, _logging_kept():
            content = _quantize(network, samples, Path(folder))
            model = load_model(content)
    except Exception as failed:  # whatever a tool of somebody else's raises
        return None, f"{type(failed).__name__}: {(str(failed).splitlines() or [''])[0]}"
    try:
        error = _error(network, model.SerializeToString(), samples)
    except ExecutionError as refused:  # a model that it made, and does not run
        return None, str(refused)
    if not error <= _MOST_ERROR:
        return None, f"its numbers are {error:.0%} from the float network's on the samples"
    coded = read_network(model)
    typed = dataclasses.replace(coded, types={**network.types, **coded.types})
    return EightBits(typed, error), ""


def _quantize(network: OnnxNetwork, samples: NDArray[np.float32], folder: Path) -> Path:
    from onnxruntime.quantization.shape_inference import (  # noqa: PLC0415 - an extra
        quant_pre_process,
    )

    from signbin.measure.peers.onnxruntime_quantization import (  # noqa: PLC0415 - an extra
        prepare_model,
    )

    names = ("float", "folded", "coded", "samples.npy")
    given, folded, made, calibration = (folder / name for name in names)
    given.write_bytes(network.model.SerializeToString())
    np.save(calibration, samples)
    # Batch norms go into the layers before them: after quantisation they no longer can.
    quant_pre_process(str(given), str(folded), skip_symbolic_shape=True)
    prepare_model({"model": str(folded), "output": str(made), "calibration": str(calibration)})
    return made


def _error(network: OnnxNetwork, coded: bytes, samples: NDArray[np.float32]) -> float:
    """Of the first output, sample by sample, as its tool was given them."""
    sessions = (RuntimePart(coded), RuntimePart(network.model.SerializeToString()))
    name = network.inputs[0]
    outputs: list[list[NDArray[Any]]] = [
        [session({name: samples[at : at + 1]})[0] for at in range(min(len(samples), _COMPARED))]
        for session in sessions
    ]
    actual, expected = (np.concatenate(each).astype(np.float32) for each in outputs)
    return agreement(actual, expected).max_relative_error


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Its tool warns of its own steps; the root logger that it sets belongs to who called us."""
    import onnxruntime  # noqa: PLC0415 - an extra

    before = logging.root.manager.disable
    onnxruntime.set_default_logger_severity(_ERRORS)
    try:
        yield
    finally:
        logging.disable(before)
        onnxruntime.set_default_logger_severity(_WARNINGS)
