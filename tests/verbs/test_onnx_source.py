"""ONNX models where a model is taken: compiled, checked, compared, without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import signbin
from signbin.errors import CaptureError, FormatError, SpecError
from signbin.verbs.analyze import read_layers
from signbin.verbs.compare import compare_source
from signbin.verbs.source import as_source, load_source
from tests.patience import soon
from tests.verbs.onnx_files import images, small_model

TOLERANCE = 1e-5  # of the largest score: float32 sums of up to 144 terms, in two orders


def expected(model: onnx.ModelProto, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": given})[0]


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


def test_a_file_and_a_model_in_memory_compile_to_what_onnx_runtime_computes(tmp_path) -> None:
    model, given = small_model(), images(4)
    path = tmp_path / "named_otherwise.bin"
    onnx.save(model, path)
    for source in (path, str(path), model):
        assert_close(signbin.compile(source)(given), expected(model, given))
    program = signbin.compile(path)
    assert program.graph.name == "named_otherwise"
    assert program.artifact.provenance["producer"] == "tests"
    assert [layer.strategy.value for layer in program.plan.layers].count("bucket") == 1


def test_activations_of_an_onnx_model_become_codes(tmp_path) -> None:
    program = signbin.compile(
        small_model(), activations=signbin.QuantizedActivations(images(32), bits=8)
    )
    assert program.graph.has_codes
    wanted = expected(small_model(), images(8))
    error = np.abs(program(images(8)) - wanted).max() / np.abs(wanted).max()
    assert error < 0.1  # a few roundings to 8 bits


def test_extents_that_a_model_leaves_open_are_asked_for_and_can_be_given(tmp_path) -> None:
    open_, given = small_model(extents=(3, "H", "W")), images(2, (3, 10, 14))
    path = tmp_path / "open.onnx"
    onnx.save(open_, path)
    with pytest.raises(SpecError, match=r"input image.*\(N, 3, H, W\).*--input-shape image=3,224"):
        signbin.compile(path)
    assert_close(signbin.compile(open_, (given,))(given), expected(open_, given))
    shaped = load_source(str(path), input_shapes={"image": (3, 10, 14)})
    assert shaped.example_inputs[0].shape == (2, 3, 10, 14)
    with pytest.raises(SpecError, match=r"shape of input image: got \(4, 10, 14\).*\(N, 3, H, W\)"):
        load_source(str(path), input_shapes={"image": (4, 10, 14)})
    with pytest.raises(SpecError, match="--input-shape: got 'x'; allowed: an input: image"):
        load_source(str(path), input_shapes={"x": (3, 10, 14)})


def test_example_inputs_that_do_not_fit_an_onnx_model_are_refused() -> None:
    with pytest.raises(SpecError, match="example inputs: got 2; allowed: one each for image"):
        signbin.compile(small_model(), (images(1), images(1)))
    with pytest.raises(SpecError, match=r"shape of input image: got \(3, 9, 9\)"):
        signbin.compile(small_model(), (images(1, (3, 9, 9)),))


def test_a_module_without_example_inputs_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(SpecError, match="example_inputs: got None"):
        signbin.compile(torch.nn.Linear(2, 2))


def test_a_refused_model_names_every_node_with_its_module_a_reason_and_a_fix() -> None:
    model = small_model(last="Hardmax")
    model.graph.node[1].op_type = "ThresholdedRelu"
    with pytest.raises(CaptureError) as caught:
        signbin.compile(model)
    lines = str(caught.value).splitlines()
    assert "2 unsupported layers" in lines[0]
    assert lines[1].startswith("  act (node /act/Relu): ThresholdedRelu: not supported; ")
    assert lines[2].startswith("  last (node /last/Hardmax): Hardmax: not supported; ")


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_compare_holds_every_layer_to_onnx_runtime(batch: int | str) -> None:
    source = as_source(small_model(batch))
    program = signbin.compile(small_model(batch))
    given = as_source(small_model(batch), (images(5),))
    found = compare_source(given, program)
    assert found.samples == 5
    assert found.max_relative_error < TOLERANCE
    assert found.first_diverging is None
    assert {layer.source for layer in found.layers} >= {"stem", "body", "head"}
    assert source.example_inputs == ()


def test_compare_sees_a_program_of_another_model() -> None:
    other = small_model()
    stem = other.graph.initializer[0]
    stem.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(stem) * 1.5, stem.name))
    found = compare_source(as_source(small_model(), (images(2),)), signbin.compile(other))
    assert found.max_relative_error > 0.01
    assert found.first_diverging == "r"  # the stem with the ReLU that took it in


def test_check_predicts_an_onnx_model_or_counts_what_is_refused(tmp_path) -> None:
    path = tmp_path / "small.onnx"
    onnx.save(small_model(), path)
    found = signbin.check(path)
    assert found.network == "small"
    assert found.coverage.complete
    assert found.low_bit == ("body",)
    refused = signbin.check(small_model(last="Hardmax")).coverage
    assert refused.operators == 7
    assert [(one.source, one.operator) for one in refused.refused] == [
        ("last (node /last/Hardmax)", "Hardmax")
    ]


def test_analysis_reads_the_layers_of_an_onnx_file(tmp_path) -> None:
    path = tmp_path / "small"
    onnx.save(small_model(), path)
    found = read_layers(path)
    assert found.name == "small"
    assert sorted(found.modules[layer.name] for layer in found.layers) == ["body", "head", "stem"]
    assert [layer.value_set.value for layer in found.layers].count("signed_binary") == 1


def test_a_damaged_file_is_an_error_of_ours(tmp_path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(small_model().SerializeToString()[:-40])
    with pytest.raises((SpecError, FormatError)):
        signbin.compile(path)


def test_an_onnx_file_is_compiled_and_run_without_torch(tmp_path) -> None:
    onnx.save(small_model(), tmp_path / "m.onnx")
    script = (
        "import sys, numpy, signbin\n"
        "program = signbin.compile(sys.argv[1])\n"
        "program(numpy.zeros((1, 3, 12, 12), numpy.float32))\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_provenance_says_where_the_model_came_from(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small_model(), path)
    assert load_source(str(path)).card.provenance == {"source": str(path), "producer": "tests"}


def test_a_resnet_50_is_checked_in_seconds() -> None:
    """The network of onnx's own tests; its weights are made by the file itself."""
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    found = soon(lambda: signbin.check(path), 12)  # 4 on a core of its own
    assert found.coverage.complete
    assert len(found.schemes) == 14
