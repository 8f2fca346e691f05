"""The models of a server: by name, each the newest whole file of its path."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.hybrid import HybridProgram, load
from signbin.ir.form import collected, default_form
from signbin.runtime import Program
from signbin.serve.protocol import datatype_of

__all__ = ["Opened", "ServedModel", "Tensor", "named_files"]

_FREE: Final = -1
_NO_FILE: Final = (0, 0, 0)
_MOST_LOOKS: Final = 64
_GENERATIONS: Final = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output as clients see it: extents behind the batch, -1 where any will do."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def described(self) -> dict[str, Any]:
        """As the protocol writes it."""
        return {"name": self.name, "datatype": self.datatype, "shape": [_FREE, *self.shape]}


@dataclasses.dataclass(frozen=True, eq=False)
class Opened:
    """A program and its face. generation: another one for every file that was opened."""

    program: Program | HybridProgram
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    takes_images: bool
    generation: int

    def run(self, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in order, of inputs by name."""
        handed = self.program(dict(arrays))
        kept = self.program
        form = kept.graph.form if isinstance(kept, Program) else kept.content.form
        found = collected(default_form(len(self.outputs)) if form is None else form, handed)
        return [found[number] for number in range(len(self.outputs))]

    def check(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        """Rows of a request; FormatError naming what does not fit."""
        names = [tensor.name for tensor in self.inputs]
        if sorted(inputs) != sorted(names):
            raise FormatError("inputs", value=sorted(inputs), allowed=", ".join(names))
        for tensor in self.inputs:
            self._check(inputs[tensor.name], tensor)
        rows = {len(array) for array in inputs.values()}
        if len(rows) > 1:
            raise FormatError("rows per input", value=sorted(rows), allowed="the same for all")
        return rows.pop()

    def _check(self, array: NDArray[Any], tensor: Tensor) -> None:
        images = self.takes_images and str(array.dtype) == "uint8" and array.ndim == 4
        wanted = tensor.shape
        fits = array.ndim == len(wanted) + 1 and all(
            extent in (_FREE, given) for given, extent in zip(array.shape[1:], wanted, strict=True)
        )
        channels_last = images and len(wanted) == 3 and array.shape[3] == wanted[0]
        if not (fits or channels_last):
            shape = [_FREE, *wanted]
            raise FormatError(f"shape of {tensor.name}", value=array.shape, allowed=str(shape))
        floats = tensor.datatype.startswith("FP") and array.dtype.kind == "f"
        if not (images or floats or datatype_of(str(array.dtype)) == tensor.datatype):
            raise FormatError(
                f"datatype of {tensor.name}",
                value=datatype_of(str(array.dtype)),
                allowed=tensor.datatype + (", or UINT8 images" if self.takes_images else ""),
            )


class ServedModel:
    """One name: what answers for it now, and the file that it is of."""

    def __init__(self, name: str, path: Path, *, isa: str = "auto", threads: int = 1) -> None:
        self.name, self.path = name, path
        self._how: dict[str, Any] = {"isa": isa, "threads": threads}
        self._lock = threading.Lock()
        self._seen = _look(path)
        self._again: _Again | None = None
        self.opened = self._open()

    def reload(self) -> bool:
        """Open the file again where another one is there; whether that was so.

        Whatever :func:`signbin.load` raises where it is not a whole one: what answered before goes
        on answering, and the same file is not tried again. Where it is the system that had no
        memory or no descriptor, it is: at the next look, then more and more seldom.
        """
        with self._lock:
            seen = _look(self.path)
            if seen != self._seen:
                self._seen, self._again = seen, _Again()
            elif self._again is None or not self._again.is_due():
                return False
            try:
                self.opened = self._open()
            except Exception as error:
                if seen == _NO_FILE or not _is_of_the_system(error):
                    self._again = None
                raise
            self._again = None
            return True

    def metadata(self) -> dict[str, Any]:
        """As the protocol describes a model."""
        opened = self.opened
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": "signbin",
            "inputs": [tensor.described() for tensor in opened.inputs],
            "outputs": [tensor.described() for tensor in opened.outputs],
        }

    def _open(self) -> Opened:
        program = load(self.path, **self._how)
        if isinstance(program, Program):
            graph = program.graph
            given = tuple(
                Tensor(value.name, "FP32", _extents(value.type.shape, value.free))
                for value in graph.inputs
            )
            frees = any(value.free for value in graph.inputs)
            made = tuple(
                Tensor(name, "FP32", _made(graph.type_of(name).shape, frees))
                for name in graph.outputs
            )
            images = program.artifact.preprocessing is not None
        else:
            network = program.network
            ports = (network.inputs, network.outputs)
            given, made = (
                tuple(Tensor(p.name, datatype_of(p.dtype), tuple(p.shape[1:])) for p in side)
                for side in ports
            )
            images = network.preprocessing is not None
        return Opened(program, given, made, images, next(_GENERATIONS))


def _extents(shape: Sequence[int], free: Sequence[int]) -> tuple[int, ...]:
    return tuple(_FREE if axis in free else extent for axis, extent in enumerate(shape) if axis)


def _made(shape: Sequence[int], frees: bool) -> tuple[int, ...]:
    """Extents of an output; maps and sequences follow the inputs where these are free."""
    return tuple(
        _FREE if frees and axis > 1 else extent for axis, extent in enumerate(shape) if axis
    )


class _Again:
    """When to try the same file once more: after 1 look, then 2, 4 and so on."""

    def __init__(self) -> None:
        self._looks, self._wait = 0, 1

    def is_due(self) -> bool:
        """Whether this look is one of those."""
        self._looks += 1
        if self._looks < self._wait:
            return False
        self._looks, self._wait = 0, min(2 * self._wait, _MOST_LOOKS)
        return True


def _is_of_the_system(error: BaseException) -> bool:
    """Whether another moment may bring another end: memory, descriptors, threads ran out."""
    system = (OSError, MemoryError, ExecutionError)
    return isinstance(error, system) or isinstance(error.__cause__, system)


def _look(path: Path) -> tuple[int, int, int]:
    if not path.exists():  # opening it says so
        return _NO_FILE
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def named_files(models: Sequence[str]) -> dict[str, Path]:
    """Names and paths of ``NAME=PATH`` or ``PATH``, whose name is that of the file.

    SpecError for a name twice, or one that could not stand in an address.
    """
    found: dict[str, Path] = {}
    for text in models:
        name, given, path = text.rpartition("=")
        name = name if given else Path(path).stem
        if not name or not all(letter.isalnum() or letter in "-_." for letter in name):
            raise SpecError("name of a model", value=name, allowed="letters, digits, - _ and .")
        if name in found:
            raise SpecError("name of a model", value=name, allowed="every one once: NAME=PATH")
        found[name] = Path(path)
    return found
