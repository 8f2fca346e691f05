"""A network as the calls that build it, in the bytes of native/tests/fuzz/trace.c."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import Graph
from signbin.native import _signbin
from signbin.runtime import Program

__all__ = ["trace_of"]

_MOST_ITEMS: Final = 2**16
_CALLS: Final = {"value": 0, "conv2d": 1, "linear": 2, "direct": 3}
_NASTY: Final = 9


def trace_of(graph: Graph, **asked: Any) -> bytes:
    """The builder's calls for a lowered graph, planned and built as ``asked`` says."""
    with _recording() as written:
        Program(Artifact(graph), **asked)
    return bytes(written)


class _Writer:
    """Numbers and arrays as trace.c reads them."""

    def __init__(self, to: bytearray) -> None:
        self.to = to

    def byte(self, number: int) -> None:
        self.to.append(number & 255)

    def number(self, number: int) -> None:
        number = (int(number) + 2**31) % 2**32 - 2**31
        if -8 <= number < 254 - _NASTY - 8:
            self.byte(number + 8)
        elif -(2**15) <= number < 2**15:
            self.to += b"\xfe" + struct.pack("<h", number)
        else:
            self.to += b"\xff" + struct.pack("<i", number)

    def real(self, number: float) -> None:
        self.to += struct.pack("<f", number)

    def numbers(self, items: Sequence[int] | np.ndarray[Any, Any] | None) -> None:
        items = () if items is None else items
        assert len(items) <= _MOST_ITEMS
        self.number(len(items))
        for item in items:
            self.number(int(item))

    def floats(self, array: Any) -> None:
        """How many there are; which they are does not matter."""
        self.byte(0 if array is None else 1)
        if array is not None:
            self.number(len(array))

    def codes(self, array: Any, filters: int) -> None:
        """Their kind and how many there are."""
        if array is None:
            self.byte(0)
            return
        present = {int(code) for code in np.unique(array)}
        kind = 5
        if present <= {-1, 0, 1}:
            kind = 1 if len(present) == 3 else 2 if 0 not in present else 3
            signs = [set(np.unique(each)) for each in np.array_split(array, max(filters, 1))]
            if len(present) == 3 and all(len(each - {0}) < 2 for each in signs):
                kind = 4
        self.byte(kind)
        self.byte(len(array))
        self.number(len(array) // max(filters, 1))
        self.number(len(array))

    def weight(self, weight: Any) -> None:
        given = weight.given
        scale = given.get("scale")
        filters = 1 if scale is None else len(scale)
        self.number(int(given["strategy"].value))
        self.floats(given.get("values"))
        self.codes(given.get("codes"), filters)
        self.codes(given.get("integers"), filters)
        self.floats(scale)
        self.floats(given.get("offset"))
        for extent in given["tile"]:
            self.number(extent)
        self.number(given.get("mode", _signbin.WalkMode.DEFAULT).value)
        self.byte(bool(given.get("generated")))
        self.byte(bool(given.get("coded_rows")))
        self.numbers(given.get("order"))
        sums = given.get("sums")
        self.byte(sums is not None)
        for array in () if sums is None else sums.arrays:
            self.numbers(array)

    def epilogue(self, given: dict[str, Any]) -> None:
        residual = given.get("residual")
        self.number(-1 if residual is None else residual)
        self.floats(given.get("bias"))
        self.number(given.get("activation", _signbin.Activation.NONE).value)
        for name in ("slope", "low", "high"):
            self.real(given.get(name, 0.0))
        self.floats(given.get("prelu"))
        self.floats(given.get("post_bias"))
        self.real(given.get("residual_scale", 1.0))


class _Given:
    """A weight, an epilogue: what it was made of, and the native one."""

    def __init__(self, made: Any, given: dict[str, Any]) -> None:
        self.made, self.given = made, given


class _Sums:
    def __init__(self, made: Any, arrays: Sequence[Any]) -> None:
        self.made, self.arrays = made, arrays


_PLACES: Final = {"ARENA": 0, "INPUT": 1, "OUTPUT": 2, "BATCH": 3}


class _Recorder:
    """A builder that writes down what it is asked."""

    def __init__(self, native_builder: Any, writer: _Writer) -> None:
        self._builder, self._writer = native_builder, writer

    def add_value(
        self, shape: Any, place: Any, offset: int, layout: Any, fill: float, codes: Any
    ) -> int:
        writer = self._writer
        writer.byte(_CALLS["value"])
        zero, top = codes or (0, 0)
        for number in (*shape, _PLACES[place.name], offset, int(codes is not None), zero, top):
            writer.number(number)
        writer.byte(layout is not None)
        if layout is not None:
            for number in layout:
                writer.number(number)
            writer.real(fill)
        return int(self._builder.add_value(shape, place, offset, layout, fill, codes))

    def add_conv2d(self, source: int, target: int, window: Any, groups: int, *rest: Any) -> None:
        writer, (weight, epilogue) = self._writer, rest
        writer.byte(_CALLS["conv2d"])
        for number in (source, target, *window, groups):
            writer.number(number)
        writer.weight(weight)
        writer.epilogue(epilogue.given)
        self._builder.add_conv2d(source, target, window, groups, weight.made, epilogue.made)

    def add_linear(self, source: int, target: int, *rest: Any) -> None:
        writer, (weight, epilogue, rows, whole_batch) = self._writer, rest
        writer.byte(_CALLS["linear"])
        for number in (source, target, rows):
            writer.number(number)
        writer.byte(whole_batch)
        writer.weight(weight)
        writer.epilogue(epilogue.given)
        made = (weight.made, epilogue.made, rows, whole_batch)
        self._builder.add_linear(source, target, *made)

    def add_direct(self, op: str, source: int, target: int, *rest: Any, **named: Any) -> None:
        names = ("window", "scale", "epilogue", "whole", "real", "table", "more")
        given = dict(zip(names, rest, strict=False)) | named
        writer, epilogue = self._writer, given.get("epilogue")
        writer.byte(_CALLS["direct"])
        writer.byte(list(_signbin.direct_ops()).index(op))
        for number in (source, target, *given.get("window", (1,) * 4 + (0,) * 4 + (1,) * 2)):
            writer.number(number)
        writer.floats(given.get("scale"))
        writer.byte(epilogue is not None)
        if epilogue is not None:
            writer.epilogue(epilogue.given)
            given["epilogue"] = epilogue.made
        writer.numbers(given.get("whole"))
        reals = given.get("real", ())
        writer.number(len(reals))
        for number in reals:
            writer.real(number)
        writer.floats(given.get("table"))
        writer.numbers(given.get("more"))
        self._builder.add_direct(op, source, target, **given)

    def finish(self) -> Any:
        return self._builder.finish()


@contextlib.contextmanager
def _recording() -> Iterator[bytearray]:
    """While it lasts, what is built is written down, too."""
    written = bytearray()
    names = ("Builder", "Weight", "Epilogue", "SumList")
    plain = {name: getattr(_signbin, name) for name in names}

    def builder(isa: str, arena: int, batch: int = 0, threads: int = 1, jit: bool = True) -> Any:
        written.clear()
        writer = _Writer(written)
        usable = [name for name in native.isas() if name != "auto"]
        writer.byte(usable.index(isa))
        writer.number(threads)
        writer.byte(jit)
        writer.number(arena)
        writer.number(batch)
        return _Recorder(plain["Builder"](isa, arena, batch, threads, jit), writer)

    def weight(**given: Any) -> _Given:
        sums = given.get("sums")
        passed = given | ({} if sums is None else {"sums": sums.made})
        return _Given(plain["Weight"](**passed), given)

    made = {
        "Builder": builder,
        "Weight": weight,
        "Epilogue": lambda **given: _Given(plain["Epilogue"](**given), given),
        "SumList": lambda *arrays: _Sums(plain["SumList"](*arrays), arrays),
    }
    try:
        for name, each in made.items():
            setattr(_signbin, name, each)
        yield written
    finally:
        for name, each in plain.items():
            setattr(_signbin, name, each)
