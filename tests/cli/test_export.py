"""export: every flavour of a float and of a coded model, checked by another engine."""

from pathlib import Path

import onnx
import pytest


@pytest.mark.parametrize("flavour", ["float", "qdq", "qonnx"])
@pytest.mark.parametrize("kind", ["float", "int8"])
def test_every_flavour_is_written_and_was_checked(
    signbin, compiled: Path, quantized, tmp_path: Path, *, flavour: str, kind: str
) -> None:
    model, target = compiled if kind == "float" else quantized[0], tmp_path / "m.onnx"
    made = signbin("export", model, "--flavour", flavour, "-o", target, "--json")
    assert made.code == 0, made.err
    assert made.document["error"] < (1e-4 if kind == "float" or flavour == "float" else 0.05)
    assert made.document["size_bytes"] == target.stat().st_size
    assert made.document["low_bit_layers"] > 0
    assert made.document["weight_bits"] in ((32,) if flavour != "qdq" else (2, 8))
    operators = {node.op_type for node in onnx.load(target).graph.node}
    assert ("DequantizeLinear" in operators) == (flavour == "qdq")
    assert "Quant" in operators or flavour != "qonnx"


def test_what_was_exported_is_compiled_again(signbin, compiled: Path, tmp_path: Path) -> None:
    target, again = tmp_path / "m.onnx", tmp_path / "again.sbn"
    shown = signbin("export", compiled, "-o", target)
    assert shown.code == 0, shown.err
    assert "ONNX Runtime" in shown.out
    assert "read by ONNX Runtime" in shown.err
    made = signbin("compile", target, "-o", again, "--json")
    assert made.code == 0, made.err
    sets = [layer["value_set"] for layer in made.document["layers"]]
    assert "signed_binary" in sets
    assert all(layer["module"] for layer in made.document["layers"])


def test_a_source_is_exported_without_compiling_it(signbin, trained: Path, tmp_path: Path) -> None:
    assert signbin("export", trained, "--seed", 5, "-o", tmp_path / "m.onnx").code == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--format", "tflite"), "--format: got 'tflite'; allowed: onnx"),
        (("--flavour", "int"), "float, qdq, qonnx"),
        (("--opset", 9), "opset: got 9; allowed: 17, 25"),
        (("-o", "/nowhere/at/all/m.onnx"), "a file in a folder that is there"),
    ],
)
def test_a_mistake_is_named(signbin, compiled: Path, tmp_path: Path, options, named) -> None:
    result = signbin("export", compiled, "-o", tmp_path / "m.onnx", *options)
    assert result.code == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_and_no_model_is_named(
    signbin, compiled: Path, tmp_path: Path
) -> None:
    target = tmp_path / "m.onnx"
    target.write_text("mine", encoding="utf-8")
    before_the_model = signbin("export", "nowhere", "-o", target)
    assert f"{target} exists" in before_the_model.err
    assert signbin("export", compiled, "-o", target).code == 1
    assert target.read_text(encoding="utf-8") == "mine"
    assert signbin("export", compiled, "-o", target, "--force").code == 0
    wrong = signbin("export", tmp_path / "absent.sbn", "-o", tmp_path / "n.onnx")
    assert "nothing there" in wrong.err
