"""Linear layers of other engines, each as a function of float32 rows, one thread.

All have the same low-bit weight: quantised peers hold it exactly, because every filter has one
scale and whole numbers from -1 to 1. What they round is the input, to 8 bits.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.sessions import open_request, open_session
from signbin.spec import LowBitWeight

__all__ = ["PEERS", "LinearPeer", "dense_of", "open_peers"]

Rows = NDArray[np.float32]
_BLOCK: Final = 128  # of MatMulNBits and of OpenVINO's groups: larger ones are faster


@dataclasses.dataclass(frozen=True)
class LinearPeer:
    """Rows in, rows out. coded: whether the input is rounded to 8 bits on the way."""

    name: str
    call: Callable[[Rows], Rows]
    coded: bool
    facts: Mapping[str, Any]


def dense_of(weight: LowBitWeight) -> Rows:
    """(K, C) float32."""
    dense: Rows = weight.scale[:, None] * weight.codes.astype(np.float32)
    return dense


def open_peers(weight: LowBitWeight) -> Iterator[LinearPeer]:
    """Every peer whose package is there."""
    for make in PEERS.values():
        try:
            yield make(weight)
        except ImportError as error:
            logging.getLogger(__name__).warning("left out: %s", error)


def _float_model(weight: LowBitWeight) -> Any:
    from onnx import numpy_helper  # noqa: PLC0415 - a peer's package

    weights = numpy_helper.from_array(np.ascontiguousarray(dense_of(weight).T), "w")
    return _model(weight, "MatMul", ["x", "w"], [weights])


def _model(
    weight: LowBitWeight, op: str, inputs: list[str], constants: list[Any], **attributes: Any
) -> Any:
    """One node, x (N, C) to y (N, K)."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    filters, channels = weight.shape
    domain = "com.microsoft" if attributes else ""
    node = helper.make_node(op, inputs, ["y"], domain=domain, **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", filters])
    graph = helper.make_graph([node], "linear", [given], [made], constants)
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


def _session(model: bytes) -> tuple[Callable[[Rows], Rows], dict[str, Any]]:
    import onnxruntime  # noqa: PLC0415

    session = open_session(model)
    return (
        lambda x: session.run(None, {"x": x})[0],
        {"version": onnxruntime.__version__},
    )


def _onnxruntime_fp32(weight: LowBitWeight) -> LinearPeer:
    call, facts = _session(_float_model(weight).SerializeToString())
    return LinearPeer("onnxruntime-fp32", call, False, facts)


def _onnxruntime_int8(weight: LowBitWeight) -> LinearPeer:
    """Dynamic: the whole input to u8, weights s8 per filter."""
    import onnx  # noqa: PLC0415
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    logging.disable(logging.WARNING)  # it asks for shape inference that one node does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            onnx.save(_float_model(weight), source)
            quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
            content = target.read_bytes()
    finally:
        logging.disable(logging.NOTSET)
    call, facts = _session(content)
    return LinearPeer("onnxruntime-int8", call, True, facts)


def _matmul_nbits(bits: int) -> Callable[[LowBitWeight], LinearPeer]:
    """MatMulNBits, accuracy level 4: products of 8-bit codes of the input."""

    def make(weight: LowBitWeight) -> LinearPeer:
        from onnx import numpy_helper  # noqa: PLC0415

        filters, channels = weight.shape
        blocks = channels // _BLOCK
        whole = (weight.codes + (1 << (bits - 1))).astype(np.uint8)
        parts = whole.reshape(filters, blocks, -1, 8 // bits)
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        packed = np.bitwise_or.reduce(parts << shifts, axis=3).astype(np.uint8)
        scale = np.repeat(weight.scale, blocks)
        constants = [numpy_helper.from_array(packed, "w"), numpy_helper.from_array(scale, "s")]
        sizes = {"K": channels, "N": filters, "bits": bits, "block_size": _BLOCK}
        model = _model(weight, "MatMulNBits", ["x", "w", "s"], constants, accuracy_level=4, **sizes)
        call, facts = _session(model.SerializeToString())
        return LinearPeer(f"onnxruntime-{bits}bit", call, True, {**facts, "block": _BLOCK})

    return make


def _openvino(name: str, coded: bool) -> Callable[[LowBitWeight], LinearPeer]:
    """Float weights, or weights of 4 bits with inputs rounded in groups, which is its default."""

    def make(weight: LowBitWeight) -> LinearPeer:
        import openvino  # noqa: PLC0415

        def compressed(model: Any) -> Any:
            import nncf  # noqa: PLC0415

            logging.getLogger("nncf").setLevel(logging.ERROR)
            mode = nncf.CompressWeightsMode.INT4_SYM
            return nncf.compress_weights(model, mode=mode, group_size=_BLOCK, all_layers=True)

        content = _float_model(weight).SerializeToString()
        call = open_request(content, compressed if coded else None)
        return LinearPeer(name, call, coded, {"version": openvino.__version__})

    return make


def _torch_fp32(weight: LowBitWeight) -> LinearPeer:
    import torch  # noqa: PLC0415

    weights = torch.from_numpy(dense_of(weight))

    def call(x: Rows) -> Rows:
        with torch.inference_mode():
            found: Rows = torch.nn.functional.linear(torch.from_numpy(x), weights).numpy()
        return found

    return LinearPeer("pytorch-fp32", call, False, {"version": torch.__version__})


def _openvino_int8(weight: LowBitWeight) -> LinearPeer:
    """Static: rows to codes of scale 1, weights of a byte per filter."""
    import openvino  # noqa: PLC0415

    from benchmarks.onnx_layers import coded_linear  # noqa: PLC0415

    call = open_request(coded_linear(dense_of(weight)))
    return LinearPeer("openvino-int8", call, True, {"version": openvino.__version__})


def _onednn_int8(weight: LowBitWeight) -> LinearPeer:
    """Static: rows to codes of scale 1, weights of 7 bits per filter, through PyTorch."""
    import torch  # noqa: PLC0415

    from benchmarks.onednn_int8 import linear  # noqa: PLC0415

    return LinearPeer("onednn-int8", linear(dense_of(weight)), True, {"version": torch.__version__})


PEERS: Final[Mapping[str, Callable[[LowBitWeight], LinearPeer]]] = MappingProxyType(
    {
        "onnxruntime-int8": _onnxruntime_int8,
        "onnxruntime-2bit": _matmul_nbits(2),
        "onnxruntime-4bit": _matmul_nbits(4),
        "onnxruntime-fp32": _onnxruntime_fp32,
        "onednn-int8": _onednn_int8,
        "openvino-int8": _openvino_int8,
        "openvino-4bit": _openvino("openvino-4bit", True),
        "openvino-fp32": _openvino("openvino-fp32", False),
        "pytorch-fp32": _torch_fp32,
    }
)
"""THE list of engines with a linear layer, by name."""
