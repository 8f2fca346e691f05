"""The targets in Python: every reader of what comes from somebody else, given any bytes.

Where a format seals its content, or most of a file is not what a target is about, the bytes are put
in the place they are for: a fuzzer that has to guess a checksum reads nothing else.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np

from reliability.fuzz.edits import edited
from reliability.fuzz.target import PythonTarget
from signbin import artifact as sbn
from signbin import centre_crop
from signbin.analysis import load_table, read_shapes
from signbin.arrays import open_array, read_archive
from signbin.artifact.frame import MAGIC, canonical_json, frame
from signbin.c_source import write_network
from signbin.capture.archive import load_archive
from signbin.errors import FormatError, SignbinError
from signbin.onnx_reader import read_onnx
from signbin.plan import Strategy
from signbin.predict.sources import open_images
from signbin.runtime import Program, decode_image
from signbin.runtime.budget import budget_of
from signbin.serve.protocol import decode_request, unpack
from signbin.spec import Preprocessing
from signbin.train import load_packed
from signbin.train.experiment import load_experiment
from signbin.train.recipe import load_recipe

__all__ = ["PYTHON_TARGETS", "resealed"]

_FIXED: Final = 64
_CHECKED: Final = 32
_MOST_ELEMENTS: Final = 2**14
_EXPORTED_DOCUMENT: Final = "models/model.json"
_SHARED_MEMORY: Final = Path("/dev/shm")


@functools.cache
def _folder() -> Path:
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
    # Removed by nobody: the process is ended by whatever it runs into.
    return Path(tempfile.mkdtemp(prefix="signbin-fuzz-", dir=parent))


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(content)
    return path


def resealed(data: bytes) -> bytes:
    """A .sbn file with the length and the checksum that its content has."""
    import hashlib  # noqa: PLC0415

    if len(data) < _FIXED:
        return data
    start = data[:16] + struct.pack("<Q", len(data)) + data[24:_CHECKED]
    return start + hashlib.sha256(start + data[_FIXED:]).digest() + data[_FIXED:]


def _read_sbn(data: bytes) -> None:
    """A .sbn file; the first byte says whether it is sealed again. What is read is written again
    as the same bytes, and in C where it can be.
    """
    file = resealed(data[1:]) if data[:1] != b"\0" else data[1:]
    artifact = sbn.decode(file)
    assert sbn.encode(artifact) == file
    if sum(node.type.shape[1] for node in artifact.graph.nodes) < _MOST_ELEMENTS:
        write_network(artifact.graph, "network")


@functools.cache
def _planned() -> tuple[bytes, bytes, bytes]:
    """A file that a plan is put into: its header before the plan and behind it, and its data."""
    from reliability.fuzz.seeds import network_with_plans  # noqa: PLC0415

    file = sbn.encode(network_with_plans())
    size = struct.unpack_from("<I", file, 12)[0]
    header = file[_FIXED : _FIXED + size]
    plan = canonical_json(json.loads(header)["plan"])
    before, _, behind = header.partition(b'"plan":' + plan)
    return before + b'"plan":', behind, file[_FIXED + size + -size % 64 :]


def _read_plan(data: bytes) -> None:
    """The plan of a file: read, built within a budget, and run."""
    before, behind, content = _planned()
    artifact = sbn.decode(frame(MAGIC, before + data + behind, [content]))
    program = Program(artifact, budget=budget_of(2.0, 2**28))
    shapes = [value.type.shape[1:] for value in artifact.graph.inputs]
    program(*(np.zeros((2, *shape), np.float32) for shape in shapes))


def _read_onnx(data: bytes) -> None:
    read_onnx(data)


def _read_pack(data: bytes) -> None:
    load_packed(_file("network.safetensors", data))


def _read_text(data: bytes) -> None:
    """A recipe, an experiment, a table of energies or shapes, as the first byte says."""
    readers: tuple[tuple[str, Callable[[Path], Any]], ...] = (
        ("recipe.yaml", load_recipe),
        ("experiment.yaml", load_experiment),
        ("table.toml", load_table),
        ("shapes.txt", read_shapes),
    )
    name, read = readers[(data[0] if data else 0) % len(readers)]
    read(_file(name, data[1:]))


_SEEN: Final = (
    Preprocessing(3, 32, 32, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
    Preprocessing(1, 28, 28, (0.5,), (0.2,)),
    Preprocessing(3, 24, 24, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), resize=32),
)


_FEW_PIXELS: Final = 2**17


def _read_image(data: bytes) -> None:
    """An image, for a network that the first byte chooses. Of many, only few may have as many
    pixels as signbin takes: for a second of one large image there are hundreds of small ones.
    """
    kind = data[0] if data else 0
    most = centre_crop.MOST_PIXELS if kind >= 250 else _FEW_PIXELS
    with mock.patch.object(centre_crop, "MOST_PIXELS", most):
        decode_image(data[1:], "image", _SEEN[kind % len(_SEEN)])


def _read_request(data: bytes) -> None:
    """How it is packed and where its JSON ends, then a request."""
    if len(data) < 3:
        return
    encoding = ("identity", "gzip", "deflate", "br")[data[0] & 3]
    body = unpack(data[3:], encoding, 2**16)
    header = str(int.from_bytes(data[1:3], "little")) if data[0] & 4 else None
    decode_request(body, header)


class _Network:
    """What sources of images ask of a network."""

    preprocessing = _SEEN[0]
    shape = (3, 32, 32)


def _read_arrays(data: bytes) -> None:
    """.npy, .npz, or an archive of images, as the first byte says."""
    kind, content = (data[0] if data else 0) % 4, data[1:]
    if kind == 0:
        open_array(_file("array.npy", content))
    elif kind == 1:
        read_archive(_file("arrays.npz", content))
    else:
        name = "images.zip" if kind == 2 else "images.tar"
        network: Any = _Network()
        rows = open_images(_file(name, content), network)
        for row in range(min(len(rows), 4)):
            rows.read(row)


@functools.cache
def _exported() -> tuple[Mapping[str, bytes], Any]:
    """The members of an archive, and what its document says."""
    from reliability.fuzz.seeds import exported_members  # noqa: PLC0415

    members = exported_members()
    (model,) = (each for name, each in members.items() if name.endswith(_EXPORTED_DOCUMENT))
    return members, json.loads(model)


def _read_export(data: bytes) -> None:
    """What a .pt2 archive says of its network; the archive around it is sound. Behind a first byte
    of 1 come changes of the document, else its text.
    """
    members, document = _exported()
    text = json.dumps(edited(document, data[1:])).encode() if data[:1] == b"\1" else data
    path = _folder() / "network.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, text if name.endswith(_EXPORTED_DOCUMENT) else content)
    load_archive(path)


def _unchecked(_check: Any) -> Callable[..., None]:
    def nothing(*_given: Any, **_named: Any) -> None:
        return None

    return nothing


def _careless(errors: tuple[type[Exception], ...], instead: type[Exception]) -> Any:
    """What a reader catches, less one of them."""
    return tuple(error for error in errors if not issubclass(instead, error)) or (SignbinError,)


PYTHON_TARGETS: Final[Mapping[str, PythonTarget]] = {
    target.name: target
    for target in (
        PythonTarget(
            "sbn",
            ".sbn files, and C source of what they hold",
            _read_sbn,
            ("artifact/*", "ir/parse.py", "ir/verify.py", "c_source/*"),
            "sizes of tensors are not checked",
            "signbin.artifact.tensors:_check_size",
            _unchecked,
            largest=8192,
        ),
        PythonTarget(
            "plan",
            "plans in .sbn files, which are built and run",
            _read_plan,
            ("plan/plan.py", "plan/limits.py", "runtime/budget.py", "runtime/weights.py"),
            "names of strategies are not checked",
            "signbin.plan.plan:_strategy",
            lambda _check: Strategy,
            largest=8192,
        ),
        PythonTarget(
            "onnx",
            "ONNX models",
            _read_onnx,
            ("onnx_reader/*", "draft/*"),
            "names need not be texts",
            "signbin.onnx_reader.loading:_texts",
            lambda _texts: lambda _model: iter(()),
        ),
        PythonTarget(
            "safetensors",
            "packed networks in safetensors files",
            _read_pack,
            ("train/packed.py", "documents.py"),
            "parts of weights are not looked for",
            "signbin.train.packed:_taken",
            lambda _check: lambda tensors, name, _dtype, _count: tensors.pop(name).numpy(),
            largest=16384,
        ),
        PythonTarget(
            "texts",
            "recipes and experiments in YAML, tables in TOML, shapes",
            _read_text,
            ("strict_yaml.py", "documents.py", "train/recipe.py", "train/experiment.py"),
            "parts of experiments need not be mappings",
            "signbin.train.experiment:_mapping",
            lambda _check: lambda value, _name: value,
        ),
        PythonTarget(
            "images",
            "images of every format that Pillow reads",
            _read_image,
            ("runtime/images.py", "centre_crop.py"),
            "what Pillow says of images of far too many pixels is not caught",
            "signbin.runtime.images:_prepared",
            lambda _prepared: _image_without_care,
        ),
        PythonTarget(
            "requests",
            "requests of the KServe v2 protocol, JSON and binary, packed and not",
            _read_request,
            ("serve/protocol.py",),
            "shapes are not checked",
            "signbin.serve.protocol:_shape",
            lambda _check: lambda tensor, _name: tuple(tensor.get("shape")),
        ),
        PythonTarget(
            "arrays",
            ".npy and .npz files, .zip and .tar archives of images",
            _read_arrays,
            ("arrays.py", "predict/sources.py"),
            "members that are locked, or packed as nobody knows, are not caught",
            "signbin.arrays:DAMAGE",
            lambda errors: _careless(errors, NotImplementedError),
            largest=8192,
        ),
        PythonTarget(
            "exports",
            "networks in .pt2 archives of torch.export",
            _read_export,
            ("capture/archive_trust.py", "capture/archive.py"),
            "extents need not be texts",
            "signbin.capture.archive_trust:_is_expression",
            lambda check: lambda text: check(text.strip()),
            largest=16384,
        ),
    )
}


def _image_without_care(open_image: Callable[[], Any], name: str, seen: Preprocessing) -> Any:
    from PIL.Image import DecompressionBombError  # noqa: PLC0415

    try:
        with open_image() as image:
            mode = "L" if seen.channels == 1 else "RGB"
            return centre_crop.centre_crop(image.convert(mode), seen)
    except DecompressionBombError:
        raise
    except Exception as error:
        raise FormatError("image", value=name) from error
