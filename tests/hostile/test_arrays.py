"""Arrays, checkpoints and archives that nobody wrote: an error of ours, whatever the bytes."""

import contextlib
import gzip
import io
import os
import pickle
import random
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from signbin.arrays import open_array, read_archive
from signbin.errors import FormatError, PlanError, SpecError
from signbin.plan import Plan
from signbin.predict.sources import open_images
from signbin.spec import Preprocessing
from signbin.train import checkpoint
from signbin.train.data.cifar_archive import CIFAR10, find_archive
from signbin.train.teacher import read_weights
from signbin.verbs.source import load_source


def npy(shape, data=bytes(24), version=b"\x01\x00"):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


SHAPES = {
    "negative": "(-1, 3)",
    "twice negative": "(-2, -3)",
    "negative beside zero": "(-1, 0)",
    "beyond 64 bits": f"({10**30}, 3)",
    "2^40": f"({2**40},)",
    "an open bracket": "(2, 3",
    "open brackets": "[" * 5000,
    "closed brackets": "(" * 3000 + ")" * 3000,
    "truth": "(True, 3)",
    "a float": "(2.0, 3)",
    "text": "('a',)",
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_header_that_lies_is_refused_and_allocates_nothing(tmp_path, name):
    alone, within = tmp_path / "lie.npy", tmp_path / "lie.npz"
    alone.write_bytes(npy(SHAPES[name]))
    with zipfile.ZipFile(within, "w") as archive:
        archive.writestr("x.npy", npy(SHAPES[name]))
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"lie\.npy is not a \.npy file"):
        open_array(alone)
    with pytest.raises(FormatError, match=r"lie\.npz is not a \.npz file"):
        read_archive(within)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_an_archive_is_read_as_it_was_written(tmp_path):
    written = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3), ">i4"))}
    np.savez_compressed(tmp_path / "a.npz", **written)
    found = read_archive(tmp_path / "a.npz")
    assert set(found) == set(written)
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (open_array, read_archive):
        with pytest.raises(OSError, match="not a regular file"):
            read(tmp_path / "pipe")


def cifar_tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in (name for names in CIFAR10.batches.values() for name in names):
            batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}
            content = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def saved(document):
    stream = io.BytesIO()
    torch.save(document, stream)
    return stream.getvalue()


def read_cifar(path):
    found = find_archive(path, CIFAR10)
    if found is not None:
        found.read("train")


def a_checkpoint():
    state = dict.fromkeys(checkpoint._KEYS)
    return saved(state | {"version": checkpoint._VERSION, "model": {"w": torch.zeros(3)}})


def written(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def an_archive():
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.zeros((4, 3), np.float32))
    return stream.getvalue()


READERS = {
    "a.npy": (lambda: written(np.zeros((2, 3), np.float32)), open_array),
    "a.npz": (an_archive, read_archive),
    "a.tar": (cifar_tar, read_cifar),
    "a.tar.gz": (lambda: gzip.compress(cifar_tar(), mtime=0), read_cifar),
    "checkpoint.pt": (a_checkpoint, checkpoint.read_checkpoint),
    "weights.pth": (lambda: saved({"w": torch.zeros(3)}), read_weights),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_damaged_bytes_are_refused_or_read(tmp_path, name):
    make, read = READERS[name]
    whole, path, draw = make(), tmp_path / name, random.Random(name)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 2, 8))):
            place = draw.randrange(min(len(data), draw.choice((128, 2048, len(data)))))
            data[place] = draw.choice((data[place] ^ 1 << draw.randrange(8), 0, 255))
        path.write_bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])
        with contextlib.suppress(FormatError):
            read(path)


def test_a_checkpoint_whose_version_is_many_numbers_is_none_of_ours(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(saved(dict.fromkeys(checkpoint._KEYS, torch.zeros(3))))
    with pytest.raises(FormatError, match="not a checkpoint"):
        checkpoint.read_checkpoint(path)


def test_an_order_of_empty_rows_is_no_plan():
    layer = {
        "layer": "y",
        "op": "linear",
        "value_set": "ternary",
        "density": 0.5,
        "macs": 1,
        "strategy": "bucket",
        "parameters": {"filters": 1, "vectors": 1, "chunk": 1},
        "why": "",
        "candidates": [],
        "order": [[], []],
    }
    with pytest.raises(PlanError, match="row of the order of a plan"):
        Plan.from_json({"target": "any", "layers": [layer]})


THEIRS = {
    "in the function": "def make():\n    return {}['weights']\n",
    "in the file": "names = {}['weights']\n\ndef make():\n    pass\n",
}


@pytest.mark.parametrize("name", THEIRS)
def test_a_factory_that_raises_is_shown_as_theirs(tmp_path, name):
    path = tmp_path / "networks.py"
    path.write_text(THEIRS[name])
    with pytest.raises(SpecError, match=r"networks\.py:make'; KeyError: 'weights'") as caught:
        load_source(f"{path}:make")
    assert isinstance(caught.value.__cause__, KeyError)
    (note,) = caught.value.__notes__
    assert note.splitlines()[1].startswith(f'  File "{path}", line ')
    assert "source.py" not in note


def test_the_command_shows_their_traceback_and_our_sentence(tmp_path):
    path = tmp_path / "networks.py"
    path.write_text(THEIRS["in the function"])
    command = [sys.executable, "-m", "signbin", "compile", f"{path}:make", "-o", "m.sbn"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == 1
    assert f'File "{path}", line 2, in make' in found.stderr
    assert found.stderr.splitlines()[-1].startswith("error: model source, whose own code failed")
    assert "site-packages" not in found.stderr


METHODS = {
    "deflated": zipfile.ZIP_DEFLATED,
    "as bzip2": zipfile.ZIP_BZIP2,
    "as lzma": zipfile.ZIP_LZMA,
}


def packed_wrongly(path, method, name):
    """An archive of one member, some of its packed bytes others than they were."""
    with zipfile.ZipFile(path, "w", METHODS[method]) as archive:
        archive.writestr(name, bytes(range(256)) * 8)
        start = archive.getinfo(name).header_offset + 30 + len(name)
    content = bytearray(path.read_bytes())
    content[start + 9 : start + 40] = b"\xff" * 31
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_a_member_that_does_not_unpack_is_our_error(tmp_path, method):
    with pytest.raises(FormatError):
        read_archive(packed_wrongly(tmp_path / "x.npz", method, "x.npy"))
    network = SimpleNamespace(preprocessing=Preprocessing(1, 4, 4, (0.5,), (0.5,)))
    rows = open_images(packed_wrongly(tmp_path / "x.zip", method, "x.png"), network)
    with pytest.raises(FormatError, match=r"member of an archive.*x\.png"):
        rows.read(0)
