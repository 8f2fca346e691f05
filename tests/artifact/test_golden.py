"""Files of every version ever written load, and give the scores that were written beside them.

Each was written by the first commit that could write its content: ``floats`` by the first writer,
``codes`` with the first 8-bit activations, ``ports`` with the first several inputs and outputs,
``free`` with the first free sizes, ``parts`` with the first networks in parts. Scores are sums of
whole numbers times powers of two, exact in float32 in any order, as the interpreter of then gave
them. A new version gets new files; none of these is ever written again.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

import signbin
from signbin import native
from signbin.artifact.frame import MAGIC, PARTS_MAGIC, VERSION
from signbin.errors import FormatError

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.sbn"))
USABLE = {kernel.isa for kernel in native.kernels() if kernel.usable}
ISAS = ("auto", *(isa for isa in native.isas() if isa in USABLE))


def version_of(path: Path) -> int:
    return struct.unpack("<I", path.read_bytes()[8:12])[0]


def test_every_version_and_both_contents_have_files() -> None:
    found = {(path.read_bytes()[:8], version_of(path)) for path in FILES}
    versions = range(1, VERSION + 1)
    assert found == {(magic, version) for magic in (MAGIC, PARTS_MAGIC) for version in versions}
    assert [f"v{version_of(path)}" for path in FILES] == [path.stem[:2] for path in FILES]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_gives_the_scores_it_gave_when_it_was_written(path: Path, isa: str) -> None:
    with np.load(path.with_suffix(".npz")) as kept:
        arrays = dict(kept)
    inputs = [array for name, array in arrays.items() if name.startswith("input_")]
    expected = [array for name, array in arrays.items() if name.startswith("output_")]
    found = signbin.load(path, isa=isa)(*inputs)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", [0, VERSION + 1, 2**32 - 1])
def test_a_version_that_is_not_known_is_refused_by_its_number(
    path: Path, version: int, tmp_path: Path
) -> None:
    """Its checksum is right, so that nothing but the version is wrong."""
    data = path.read_bytes()
    start = data[:8] + struct.pack("<I", version) + data[12:32]
    digest = hashlib.sha256(start + data[64:]).digest()
    other = tmp_path / "other.sbn"
    other.write_bytes(start + digest + data[64:])
    with pytest.raises(
        FormatError, match=rf"version of the file: got {version}; allowed: 1;.*again"
    ):
        signbin.load(other)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_read_is_written_with_the_same_weights(path: Path, tmp_path: Path) -> None:
    signbin.load(path).save(tmp_path / "again.sbn")
    again = signbin.load(tmp_path / "again.sbn")
    with np.load(path.with_suffix(".npz")) as kept:
        inputs = [kept[name] for name in kept.files if name.startswith("input_")]
    one, other = signbin.load(path)(*inputs), again(*inputs)
    np.testing.assert_equal(one, other)
