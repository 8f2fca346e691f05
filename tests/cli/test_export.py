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


def test_viewers_are_told_what_a_network_and_its_nodes_are_called(
    signbin, compiled: Path, tmp_path: Path
) -> None:
    target = tmp_path / "night watch.onnx"
    assert signbin("export", compiled, "-o", target).code == 0
    graph = onnx.load(target).graph
    assert graph.name == "night watch"
    modules = {node.name.split("/")[1] for node in graph.node if "/" in node.name}
    assert {"stem", "stages", "classifier"} <= modules
    assert "stem.0.weight" in {tensor.name for tensor in graph.initializer}
    assert signbin("compile", target, "-o", tmp_path / "again.sbn").code == 0


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
        (("--format", "tflite"), "--format: got 'tflite'; allowed: onnx, c"),
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


def test_an_8_bit_model_is_exported_as_c_and_gives_the_same(
    signbin, quantized, tmp_path: Path
) -> None:
    target = tmp_path / "Digits-8"
    made = signbin("export", quantized[0], "--format", "c", "-o", target, "--json")
    assert made.code == 0, made.err
    assert made.document["name"] == "digits_8"
    assert made.document["checked_images"] > 0
    assert made.document["files"] == sum(path.is_file() for path in target.rglob("*"))
    kept = signbin("export", quantized[0], "--format", "c", "-o", target)
    assert "pass --force" in kept.err
    again = signbin("export", quantized[0], "--format", "c", "-o", target, "--force")
    assert again.code == 0, again.err
    assert "not compared" not in again.out
    assert [path.name for path in tmp_path.iterdir()] == ["Digits-8"]


def test_c_that_can_be_watched_is_compared_inside_as_well(
    signbin, quantized, tmp_path: Path
) -> None:
    made = signbin("export", quantized[0], "--format", "c", "--watch", "-o", tmp_path / "m")
    assert made.code == 0, made.err
    header = (tmp_path / "m" / "src" / "m.h").read_text(encoding="utf-8")
    assert "#define M_WATCHED " in header
    assert "m_run_watched(" in header


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--max-flash", "9k"), "the largest layers: "),
        (("--max-ram", "1k"), "fullest where these are held: "),
        (("--max-ram", "much"), "--max-ram: got 'much'"),
        (("--name", "Main"), "pass --name"),
        (("--golden", "absent.npy"), "absent.npy"),
    ],
)
def test_c_that_cannot_be_is_not_written(
    signbin, quantized, tmp_path: Path, options, named
) -> None:
    result = signbin(
        "export", quantized[0], "--format", "c", "-o", tmp_path / "made", "--no-verify", *options
    )
    assert result.code == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_float_model_is_not_exported_as_c_and_a_folder_of_others_is_kept(
    signbin, compiled: Path, tmp_path: Path
) -> None:
    refused = signbin("export", compiled, "--format", "c", "-o", tmp_path / "made")
    assert "compile with --activations int8" in refused.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text").write_text("mine", encoding="utf-8")
    kept = signbin("export", compiled, "--format", "c", "-o", tmp_path / "mine", "--force")
    assert "name another folder" in kept.err
    assert (tmp_path / "mine" / "text").is_file()
