"""The files of the page: what is written by hand, and one file with all that was counted."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from live_page import ROOT, STATIC
from live_page.subjects import Subject
from live_page.web_assembly import web_assembly
from signbin.c_source import Golden, write_project
from signbin.runtime.pixels import normalised

__all__ = ["FIGURE", "page_files"]

FIGURE: Final = ROOT / "docs" / "results" / "low-density-cpu.svg"
"""Accuracy over non-zero weights, of an experiment whose page says all about it."""


def page_files(subjects: Sequence[Subject]) -> dict[str, bytes]:
    """Contents by path within the folder."""
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    documents = [document_of(subject) for subject in subjects]
    text = f"const NETWORKS = {json.dumps(documents)};\n"
    files["networks.js"] = text.encode("utf-8")
    files["pareto.svg"] = FIGURE.read_bytes()
    return files


def document_of(subject: Subject) -> dict[str, Any]:
    """All that the page knows of a network. Arrays are base64, little-endian.

    table: the float32 number of every byte of a pixel. images, labels: of the test part. expected:
    float32 outputs of signbin's runtime for them. layers: the images that the network makes, in
    order. simd, plain: the network as WebAssembly, with vectors and without.
    """
    outputs = subject.program(subject.images)
    layers = layers_of(subject)
    code_bytes = sum(layer["channels"] * layer["height"] * layer["width"] for layer in layers)
    prepared = normalised(subject.images[:1], subject.preparation)
    files = write_project(subject.network, Golden(prepared, outputs[:1]))
    modules = {
        name: web_assembly(files, code_bytes, simd=simd)
        for name, simd in (("simd", True), ("plain", False))
    }
    _, _, height, width = subject.images.shape
    return {
        "name": subject.name,
        "title": subject.title,
        "classes": subject.class_names,
        "height": height,
        "width": width,
        "table": _base64(_table(subject).astype("<f4")),
        "images": _base64(subject.images),
        "labels": [int(label) for label in subject.labels],
        "expected": _base64(outputs.astype("<f4")),
        "layers": layers,
        "facts": facts_of(subject, {name: len(module) for name, module in modules.items()}),
        **{name: base64.b64encode(module).decode() for name, module in modules.items()},
    }


def layers_of(subject: Subject) -> list[dict[str, Any]]:
    """Of every image that the network makes: name, op, extents, and the code of zero."""
    nodes = {node.name: node for node in subject.program.graph.nodes}
    found = []
    for name in subject.network.watched:
        node = nodes[name]
        assert node.type.quantization is not None  # images are codes
        _, channels, height, width = node.type.shape
        extents = {"channels": channels, "height": height, "width": width}
        zero = node.type.quantization.zero_point
        found.append({"name": name, "op": node.op, **extents, "zero": zero})
    return found


def facts_of(subject: Subject, module_bytes: Mapping[str, int]) -> dict[str, Any]:
    """What the page says of a network in numbers. Bytes of the exported C, see its header."""
    network = subject.network
    return {
        "low_bit_weights": subject.low_bit_weights,
        "non_zero": subject.non_zero,
        "weight_bytes": network.weight_bytes,
        "float_bytes": 4 * sum(_weights(subject)),
        "weights": sum(_weights(subject)),
        "constant_bytes": network.sizes.constants,
        "memory_bytes": network.sizes.ram,
        "module_bytes": dict(module_bytes),
        "tested": subject.tested,
        "right": subject.right,
    }


def _weights(subject: Subject) -> list[int]:
    """How many weights every layer that has some holds."""
    constants = subject.program.graph.constants.values()
    return [math.prod(value.codes.shape) for value in constants if hasattr(value, "codes")]


def _table(subject: Subject) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The number that every byte stands for, as signbin's runtime prepares it."""
    pixels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    return normalised(pixels, subject.preparation).reshape(-1)


def _base64(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
