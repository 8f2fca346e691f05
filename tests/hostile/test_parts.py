"""Networks in parts from strangers: whatever the bytes, an error of ours."""

import contextlib
import dataclasses
import json

import numpy as np
import onnx
import pytest

from signbin.artifact.frame import PARTS_MAGIC, canonical_json, frame, unframe
from signbin.errors import ExecutionError, FormatError, SignbinError
from signbin.hybrid.container import decode_parts, encode_parts
from signbin.hybrid.program import HybridProgram
from tests.hybrid.parts import IMAGE, content, foreign


def refused(data: bytes, match: str | None = None) -> None:
    with pytest.raises(FormatError, match=match):
        decode_parts(data)


def test_a_file_cut_short_or_altered_anywhere_is_refused() -> None:
    data = encode_parts(content())
    for place in range(0, len(data), 7):
        refused(data[:place])
        altered = bytearray(data)
        altered[place] ^= 0x80
        refused(bytes(altered))


def sealed(change) -> bytes:
    """The file with another header: the checksum holds, so what it says is looked at."""
    header, data = unframe(PARTS_MAGIC, encode_parts(content()))
    document = json.loads(header)
    change(document)
    return frame(PARTS_MAGIC, canonical_json(document), [bytes(data)])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.pop("form"), "keys of the header"),
        (lambda d: d.update(more=1), "keys of the header"),
        (lambda d: d.update(form=7), "form of the outputs"),
        (lambda d: d.update(form={"set": [0]}), "a form is a number"),
        (lambda d: d.update(sizes=[1, 2]), "sizes of the parts"),
        (lambda d: d.update(sizes=[-1, 2**62, 5]), "sizes of the parts"),
        (lambda d: d["sizes"].__setitem__(0, True), "sizes of the parts"),
        (lambda d: d.update(network=[]), "network"),
        (lambda d: d["network"].update(parts=[]), "sizes of the parts|outputs of the network"),
        (lambda d: d["network"].update(name=3), "network.name"),
        (lambda d: d["network"].pop("class_names"), "every key"),
        (lambda d: d["network"]["parts"][0].update(engine="shell"), "engine"),
        (lambda d: d["network"]["parts"][1].update(engine="onnxruntime"), "part for ONNX Runtime"),
        (lambda d: d["network"]["parts"][0].update(inputs=["y"]), "inputs of part 1"),
    ],
)
def test_a_header_that_says_something_else_is_refused(change, match) -> None:
    with pytest.raises(FormatError, match=match):
        HybridProgram(decode_parts(sealed(change)))


def with_first_model(model: bytes) -> HybridProgram:
    made = content()
    return HybridProgram(dataclasses.replace(made, contents=(model, *made.contents[1:])))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_models_end_in_an_error_of_ours_or_run(seed) -> None:
    random = np.random.default_rng(seed)
    model = bytearray(foreign("Cos", "image", "x", 3).SerializeToString())
    for place in random.integers(0, len(model), 3):
        model[place] = random.integers(0, 256)
    with contextlib.suppress(SignbinError):
        with_first_model(bytes(model))(np.zeros((1, *IMAGE), np.float32))


def test_a_model_that_names_another_file_is_refused(tmp_path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(4 * 360))
    model = foreign("Cos", "image", "x", 3)
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1, *IMAGE])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    inside = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    body = onnx.helper.make_graph([inside], "body", [], [])
    holders = {
        "initializer": lambda m: m.graph.initializer.append(tensor),
        "attribute": lambda m: m.graph.node.append(inside),
        "body": lambda m: m.graph.node.add(op_type="If").attribute.append(
            onnx.helper.make_attribute("then_branch", body)
        ),
    }
    for place in holders.values():
        hostile = onnx.ModelProto()
        hostile.CopyFrom(model)
        place(hostile)
        with pytest.raises(FormatError, match=r"tensor w .*data in another file"):
            with_first_model(hostile.SerializeToString())


def test_a_model_onnx_runtime_cannot_load_is_an_error_of_ours() -> None:
    with pytest.raises(ExecutionError, match="loading a part in ONNX Runtime"):
        with_first_model(foreign("Nonsense", "image", "x", 3).SerializeToString())
