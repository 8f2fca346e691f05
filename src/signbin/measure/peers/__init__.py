"""THE list of engines a benchmark can time, each in a process of its own.

A row and one file in this folder add an engine. The file is loaded by ``serve.py`` in the
environment where the engine is installed, which need not be ours, so it imports nothing of
signbin (but for our own engine). It defines

    open_model(request) -> (run, facts)

request: ``model`` (path of the .onnx file; of the .sbn file for our own), ``input`` (path of the
.npy file with the inputs that will be timed), ``threads`` and ``options``. run: from the input
array, float32 (N, C, H, W), to the output array. facts: what to record, at least ``version``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from signbin.errors import SpecError

__all__ = ["OURS", "PEERS", "SERVE", "Engine", "find_peer"]

_FOLDER: Final = Path(__file__).parent
SERVE: Final = _FOLDER / "serve.py"
"""The program every engine runs in."""


@dataclasses.dataclass(frozen=True)
class Engine:
    """One row: how an engine is called, found and judged.

    file: its Python file. packages: what ``pip install`` needs. tolerance: largest relative
    error of its output against ours. description: for tables.
    """

    name: str
    file: Path
    packages: tuple[str, ...]
    tolerance: float
    description: str


OURS: Final = Engine("signbin", _FOLDER / "signbin_program.py", ("signbin",), 0.0, "this project")

# float32 sums in another order differ by about 1e-6 of the largest output after twenty layers;
# Winograd transforms lose one more digit. 1e-4 is what we demand of ourselves against PyTorch.
_FLOAT_TOLERANCE: Final = 1e-4

_ROWS: Final = (
    Engine(
        "onnxruntime",
        _FOLDER / "onnxruntime_float.py",
        ("onnxruntime",),
        _FLOAT_TOLERANCE,
        "ONNX Runtime, fp32, CPU provider, all its graph optimisations",
    ),
)

PEERS: Final[Mapping[str, Engine]] = MappingProxyType({row.name: row for row in _ROWS})


def find_peer(name: str) -> Engine:
    """The row of a name; SpecError naming the known ones."""
    if name not in PEERS:
        raise SpecError("engine to compare with", value=name, allowed=", ".join(PEERS))
    return PEERS[name]
