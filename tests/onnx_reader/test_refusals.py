"""What is not read is named, node by node; what is no model ends in an error of ours."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from signbin.errors import CaptureError, FormatError, SignbinError
from signbin.onnx_reader import findings, load_onnx, read_onnx

node = helper.make_node
WEIGHT = np.ones((4, 4, 3, 3), np.float32)


@pytest.fixture
def good(model):
    return model([node("Conv", ["x", "w"], ["y"])], constants={"w": WEIGHT})


def test_every_unsupported_node_is_listed_with_its_name_module_reason_and_remedy(model):
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="/body/body.0/conv/Conv"),
        node("Einsum", ["a"], ["b"], name="/body/body.1/Einsum", equation="nchw->nchw"),
        node("ArgMax", ["b"], ["c"], name="/top/ArgMax", axis=1),
        node("Relu", ["b"], ["y"]),
    ]
    with pytest.raises(CaptureError) as raised:
        read_onnx(model(nodes, constants={"w": WEIGHT}, outputs=["y", "c"]))
    lines = str(raised.value).splitlines()
    assert lines[0] == "small has 2 unsupported layers:"
    assert lines[1].strip().startswith("body.1 (node /body/body.1/Einsum): Einsum: not supported; ")
    assert lines[2].strip().startswith("top (node /top/ArgMax): ArgMax: not supported; end the")


def test_findings_answer_for_every_node_and_raise_for_none(model):
    nodes = [
        node("Constant", [], ["w"], value=numpy_helper.from_array(WEIGHT)),
        node("Conv", ["x", "w"], ["a"], name="conv"),
        node("Einsum", ["a"], ["b"], name="strange", equation="nchw->nchw"),
        node("Relu", ["b"], ["y"], name="relu"),
        node("NonZero", ["y"], ["z"], name="where"),
        node("Cast", ["z"], ["f"], name="last", to=TensorProto.FLOAT),
    ]
    found = findings(model(nodes, outputs=["f"]))
    assert [each.position for each in found] == list(range(6))
    assert [each.name for each in found] == ["w", "conv", "strange", "relu", "where", "last"]
    assert [each.supported for each in found] == [True, True, False, True, False, False]
    assert [each.folded for each in found] == [True] + [False] * 5
    assert "of which only NonZero knows the shape" in found[5].reason


def test_a_layer_keeps_the_name_of_its_module(model):
    conv = node("Conv", ["x", "onnx::Conv_7"], ["a"], name="/layer1/layer1.0/conv1/Conv")
    relu = node("Relu", ["a"], ["y"], name="/layer1/layer1.0/relu/Relu")
    graph = read_onnx(model([conv, relu], constants={"onnx::Conv_7": WEIGHT}))
    assert list(graph.layer_modules().values()) == ["layer1.0.conv1"]
    assert [each.source for each in graph.nodes] == ["layer1.0.conv1", "layer1.0.relu"]


def test_extents_that_the_file_leaves_open_are_asked_for(model):
    made = model([node("Relu", ["x"], ["y"])], ["N", 3, "height", "width"])
    with pytest.raises(CaptureError, match="input_shapes"):
        read_onnx(made)
    graph = read_onnx(made, input_shapes={"x": (3, 4, 5)})
    assert graph.inputs[0].type.shape == (0, 3, 4, 5)


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        ([node("Relu", ["nowhere"], ["y"])], "'nowhere'"),
        ([node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"])], "reads 'b'"),
        ([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], "defined twice"),
        ([node("Relu", ["x"], ["z"])], "output 'y'"),
    ],
    ids=["undefined", "circle", "twice", "output"],
)
def test_a_graph_that_is_none_is_a_format_error(model, nodes, what):
    with pytest.raises(FormatError, match=what):
        read_onnx(model(nodes))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Loop", ["", "", "x"], ["y"], body=helper.make_graph([], "b", [], []))],
        [node("RandomNormal", [], ["r"], shape=[1]), node("Add", ["x", "r"], ["y"])],
        [node("Strange", ["x"], ["y"])],
        [node("Relu", ["x", "x"], ["y"])],
        [node("Conv", ["x"], ["y"])],
        [node("Reshape", ["x", "x"], ["y"])],
        [node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])],
        [node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)],
        [node("MaxPool", ["x"], ["y"])],
        [node("MaxPool", ["x"], ["y"], kernel_shape=[9, 9])],
        [node("ReduceMean", ["x"], ["y"], axes=[0])],
        [node("Softmax", ["x"], ["y"], axis=0)],
        [node("Gemm", ["x", "x"], ["y"])],
        [node("Concat", ["x", "x"], ["y"], axis=0)],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_what_no_op_stands_for_is_a_capture_error(model, nodes):
    with pytest.raises(CaptureError, match="unsupported layer"):
        read_onnx(model(nodes))


def test_a_constant_too_large_to_compute_is_refused_at_once(model):
    nodes = [
        node("Constant", [], ["s"], value_ints=[2**40]),
        node("ConstantOfShape", ["s"], ["c"]),
        node("Add", ["x", "c"], ["y"]),
    ]
    with pytest.raises(CaptureError, match="makes a constant of"):
        read_onnx(model(nodes))
    ranged = [
        node("Range", ["a", "b", "c"], ["r"]),
        node("Add", ["x", "r"], ["y"]),
    ]
    numbers = {"a": np.float32(0), "b": np.float32(1e12), "c": np.float32(1e-6)}
    with pytest.raises(CaptureError, match="makes a constant of"):
        read_onnx(model(ranged, constants=numbers))


def test_extents_beyond_the_bytes_are_refused(good):
    good.graph.initializer[0].dims[:] = [2**40, 4, 3, 3]
    with pytest.raises(FormatError, match="extents of tensor 'w'"):
        read_onnx(good)
    good.graph.initializer[0].dims[:] = [5, 4, 3, 3]
    with pytest.raises(FormatError, match="tensor 'w'"):
        read_onnx(good)
    good.graph.initializer[0].dims[:] = [-4, 4, 3, 3]
    with pytest.raises(FormatError, match="tensor 'w'"):
        read_onnx(good)


def test_weights_that_are_not_finite_are_refused(model):
    broken = WEIGHT.copy()
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(CaptureError, match="NaN or infinite"):
        read_onnx(model([node("Conv", ["x", "w"], ["y"])], constants={"w": broken}))


@pytest.mark.parametrize("where", ["../w.bin", "/etc/hostname", "", "absent.bin", "."])
def test_weights_outside_the_folder_are_not_read(good, tmp_path, where):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    path = _with_external(good, folder, where)
    with pytest.raises(FormatError, match="weights 'w'"):
        load_onnx(path)


def test_a_link_out_of_the_folder_is_not_followed(good, tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(FormatError, match="weights 'w'"):
        load_onnx(_with_external(good, folder, "link.bin"))


def test_weights_beside_the_model_are_read(good, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"12345678" + WEIGHT.tobytes())
    path = _with_external(good, tmp_path, "w.bin", offset="8", length=str(WEIGHT.nbytes))
    assert np.array_equal(
        read_onnx(path).array(read_onnx(path).nodes[0].attributes["weight"]), WEIGHT
    )
    for told in ({"offset": "-1"}, {"offset": "9", "length": "99999"}, {"offset": "x"}):
        with pytest.raises(FormatError, match="weights 'w'"):
            load_onnx(_with_external(good, tmp_path, "w.bin", **told))


def _with_external(good, folder, location, **more):
    tensor = good.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(good.SerializeToString())
    return path


def test_no_cut_or_flipped_file_ends_in_a_foreign_error(good):
    content = good.SerializeToString()
    generator = np.random.default_rng(0)
    damaged = [content[:length] for length in range(0, len(content), 7)]
    for _ in range(300):
        changed = bytearray(content)
        changed[generator.integers(min(len(changed), 120))] = generator.integers(256)
        damaged.append(bytes(changed))
        changed = bytearray(content)
        changed[-1 - int(generator.integers(min(len(changed), 90)))] = generator.integers(256)
        damaged.append(bytes(changed))
    for each in damaged:
        try:
            read_onnx(each)
        except SignbinError:
            continue


@pytest.mark.parametrize("source", [b"", b"\x08\x07", b"PK\x03\x04", "absent.onnx", 7])
def test_what_is_no_model_is_a_format_error(source):
    with pytest.raises(FormatError):
        load_onnx(source)
