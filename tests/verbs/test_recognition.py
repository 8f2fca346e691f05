"""What is no model to compile is named, with what is, before anything slow is imported."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import pytest

from signbin.artifact.container import MAGIC
from signbin.artifact.frame import PARTS_MAGIC
from signbin.errors import SpecError
from signbin.verbs.protobuf import looks_like_onnx
from signbin.verbs.recognition import READ, SourceKind, expect_readable, kind_of


def archive(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return held.getvalue()


def numpy_file() -> bytes:
    held = io.BytesIO()
    np.save(held, np.zeros(3))
    return held.getvalue()


MODEL = onnx.parser.parse_model(
    '<ir_version: 9, opset_import: ["" : 18]> g (float[N,3] x) => (float[N,3] y) { y = Relu(x) }'
).SerializeToString()
FILES = {
    "compiled": (MAGIC + b"rest", "a compiled model"),
    "in parts": (PARTS_MAGIC + b"rest", "a compiled model in parts"),
    "part of a model": (MODEL[:-3], "a protocol buffer, but no ONNX model"),
    "other message": (b"\x08\x08\x12\x07pytorch", "a protocol buffer, but no ONNX model"),
    "tflite": (b"\x1c\0\0\0TFL3rest", "a TensorFlow Lite file"),
    "keras": (b"\x89HDF\r\n\x1a\n", "as Keras writes"),
    "old checkpoint": (b"\x80\x02}q\0.", "a pickle"),
    "checkpoint": (archive("model/data.pkl", "model/data/0"), "weights_only=True"),
    "other archive": (archive("readme"), "an archive of another kind"),
    "damaged archive": (b"PK\x03\x04xx", "a damaged archive"),
    "array": (numpy_file(), "a numpy array"),
    "empty": (b"", "a file of another kind"),
    "text": (b"hello", "a file of another kind"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_named_by_its_content_whatever_its_name(tmp_path, case: str) -> None:
    content, named = FILES[case]
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        expect_readable(str(path))
    assert named in str(caught.value)
    assert READ in str(caught.value)


def test_a_python_file_without_a_factory_names_those_it_has(tmp_path) -> None:
    path = tmp_path / "fac.py"
    path.write_text("def make(): pass\ndef sized(n): pass\ndef _own(): pass\ndef other(): pass\n")
    with pytest.raises(SpecError, match=r"write .*fac\.py:make or .*fac\.py:other"):
        expect_readable(str(path))
    path.write_text("def broken(:")
    with pytest.raises(SpecError, match=r"write .*fac\.py:FACTORY"):
        expect_readable(str(path))


def test_what_is_not_there_and_a_folder_of_something_else(tmp_path) -> None:
    with pytest.raises(SpecError, match=r"resnet18.*nothing there"):
        expect_readable(str(tmp_path / "resnet18"))
    with pytest.raises(SpecError, match=r"a folder without config\.yaml"):
        expect_readable(str(tmp_path))


def test_what_is_not_there_names_what_is_called_alike(tmp_path) -> None:
    (tmp_path / "resnet18.onnx").write_bytes(MODEL)
    with pytest.raises(SpecError, match=r"nothing there.*did you mean .*resnet18\.onnx\?"):
        expect_readable(str(tmp_path / "resnet8.onnx"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (MODEL, SourceKind.ONNX),
        (b"\x02\0\0\0\0\0\0\0{}", SourceKind.PACKED),
        (MAGIC, SourceKind.COMPILED),
        (PARTS_MAGIC, SourceKind.PARTS),
        (numpy_file(), SourceKind.ARRAY),
        (b"\xff" * 16 + b"{", SourceKind.OTHER),
    ],
)
def test_a_kind_is_told_by_content_whatever_the_name(tmp_path, content: bytes, kind) -> None:
    for name in ("m.onnx", "m.sbn", "m.safetensors", "m.npy", "m"):
        path = tmp_path / name
        path.write_bytes(content)
        assert kind_of(str(path)) is kind


def test_any_bytes_are_told_from_a_model_without_an_error(tmp_path) -> None:
    random, path = np.random.default_rng(0), tmp_path / "m"
    for cut in range(len(MODEL)):
        path.write_bytes(MODEL[:cut])
        assert not looks_like_onnx(path), cut
    for _ in range(200):
        broken = bytearray(MODEL)
        for place in random.integers(0, len(MODEL), 3):
            broken[place] = random.integers(0, 256)
        path.write_bytes(broken)
        assert looks_like_onnx(path) in (True, False)
    path.write_bytes(random.bytes(4096))
    assert not looks_like_onnx(path)


def test_it_is_said_before_torch_is_imported(tmp_path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    script = (
        "import sys\nfrom signbin.verbs.source import load_source\n"
        "try:\n    load_source(sys.argv[1])\nexcept Exception as error:\n    print(error)\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "no ONNX model" in said
    assert said.splitlines()[-1] == "False"
