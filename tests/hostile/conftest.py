"""Build .sbn bytes from parts by hand, sealed with the right lengths and checksum."""

from __future__ import annotations

import copy
import hashlib
import json
import struct

import numpy as np
import pytest

from signbin.artifact import Artifact, encode
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, verify
from signbin.plan import Target, make_plan
from signbin.spec import ActivationSpec, IntegerWeight, Kernel, LowBitWeight, Preprocessing

FIXED = 64


def _seal(header: bytes, data: bytes, *, version=1, reserved=0, header_size=None, total=None):
    body = header + bytes(-len(header) % 64) + data
    fixed = struct.pack(
        "<8sIIQQ",
        b"\x89SBN\r\n\x1a\n",
        version,
        len(header) if header_size is None else header_size,
        FIXED + len(body) if total is None else total,
        reserved,
    )
    return fixed + hashlib.sha256(fixed + body).digest() + body


def _dump(document) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


class Parts:
    """A valid file taken apart: ``header`` (a fresh copy of its JSON) and ``data``."""

    def __init__(self, file: bytes):
        size = struct.unpack_from("<I", file, 12)[0]
        self.file = file
        self.header_bytes = file[FIXED : FIXED + size]
        self.data = file[FIXED + size + -(FIXED + size) % 64 :]

    @property
    def header(self):
        return copy.deepcopy(json.loads(self.header_bytes))

    def sealed(self, header=None, data=None, **fields):
        header = self.header_bytes if header is None else header
        header = header if isinstance(header, bytes) else _dump(header)
        return _seal(header, self.data if data is None else data, **fields)


@pytest.fixture(scope="session")
def parts() -> Parts:
    """A file with every member and every encoding; small, for it is attacked byte by byte."""
    kinds = {
        "a": np.array([[0.5, -1, 2]], np.float32),
        "b": LowBitWeight(
            np.array([[1, 0, 1], [0, -1, -1], [0, 0, 0]], np.int8),
            np.array([1, 2, 3], np.float32),
            np.array([0, 0.5, 0], np.float32),
        ),
        "c": LowBitWeight(np.array([[1, -1, 1]], np.int8), np.array([1], np.float32)),
        "d": LowBitWeight(np.array([[1, 0, -1]], np.int8), np.array([1], np.float32)),
        "e": IntegerWeight(np.array([[63, 0, -5]], np.int8), np.array([0.5], np.float32)),
    }
    inputs = (Value("x", TensorType("f32", (BATCH, 3, 1, 1))),)
    nodes = [Node("flat", "flatten", ("x",), {}, TensorType("f32", (BATCH, 3)))]
    codes = TensorType("u8", (BATCH, 3), ActivationSpec(0.25, 128, 8))
    nodes.append(Node("codes", "quantize", ("flat",), {}, codes))
    for name, weight in kinds.items():
        given = "codes" if isinstance(weight, IntegerWeight) else "flat"
        shape = TensorType("f32", (BATCH, weight.shape[0]))
        nodes.append(Node(f"y_{name}", "linear", (given,), {"weight": ConstRef(name)}, shape))
    graph = Graph("g", inputs, tuple(nodes), ("y_b",), kinds)
    verify(graph)
    kernels = [
        Kernel("dense", "dense", "linear", "portable", True, 4, 1),
        Kernel("bucket", "bucket", "linear", "portable", True, 2, 1),
        Kernel("dense8", "dense", "linear", "portable", True, 4, 1, "u8"),
    ]
    plan = make_plan(graph, kernels, Target.portable())
    preprocessing = Preprocessing(3, 1, 1, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    artifact = Artifact(graph, plan, preprocessing, ("p", "q", "r"), {"seed": "0"})
    return Parts(encode(artifact))
