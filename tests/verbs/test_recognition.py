"""What is no model to compile is named, with what is, before anything slow is imported."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from signbin.artifact.container import MAGIC
from signbin.errors import SpecError
from signbin.verbs.recognition import READ, expect_readable


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


FILES = {
    "compiled": (MAGIC + b"rest", "a compiled model"),
    "onnx": (b"\x08\x08\x12\x07pytorch", "probably ONNX"),
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


def test_it_is_said_before_torch_is_imported(tmp_path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    script = (
        "import sys\nfrom signbin.verbs.source import load_source\n"
        "try:\n    load_source(sys.argv[1])\nexcept Exception as error:\n    print(error)\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "probably ONNX" in said
    assert said.splitlines()[-1] == "False"
