"""``torch.ops.signbin.run(inputs, content, digest, isa, threads, extents)``: a program as operator.

PyTorch passes numbers, texts and tensors between operators, no other objects: so a program travels
as the content of its .sbn file, a tensor of bytes, and is found by the content's SHA-256 without
reading it. Where no module of this process has made it, as in an exported program that was loaded
elsewhere, it is made from the content on the first call, and the last few of these are kept.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from signbin.errors import ExecutionError, FormatError
from signbin.ir import with_extents
from signbin.ir.form import collected, default_form
from signbin.runtime import Program

__all__ = ["Key", "adopt", "digest_of", "flat_extents", "program_of"]

Key: TypeAlias = tuple[str, str, int]
"""SHA-256 of a program's content, in hexadecimal digits; isa; threads."""

_MOST_KEPT: Final = 8
_PROGRAMS: Final[weakref.WeakValueDictionary[Key, Program]] = weakref.WeakValueDictionary()
_KEPT: Final[OrderedDict[Key, Program]] = OrderedDict()  # of contents that no module holds
_MAKING: Final = threading.Lock()


def digest_of(content: Tensor) -> str:
    """SHA-256 of a tensor of bytes on the CPU."""
    return hashlib.sha256(content.detach().contiguous().numpy().data).hexdigest()


def program_of(content: Tensor, key: Key, *, keep: bool = False) -> Program:
    """The program of a content, made on the first call; the same one for the same key.

    keep: hold what is made now, for callers that do not; the last few of these are held.
    FormatError where the content is not the one that the key is of, or no .sbn file.
    """
    found = _PROGRAMS.get(key)
    if found is not None:
        return found
    with _MAKING:
        found = _PROGRAMS.get(key)
        if found is None:
            if digest_of(content) != key[0]:
                raise FormatError(
                    "content of a program",
                    value=f"bytes whose SHA-256 is not {key[0]}",
                    allowed="the bytes that the module was saved with",
                    remedy="save and load the model whole, or make the module again",
                )
            found = Program.from_bytes(content.numpy().tobytes(), isa=key[1], threads=key[2])
            _PROGRAMS[key] = found
            if keep:
                _KEPT[key] = found
                while len(_KEPT) > _MOST_KEPT:
                    _KEPT.popitem(last=False)
        return found


def adopt(program: Program, key: Key) -> None:
    """Have the program of this key be this one, where there is none yet."""
    with _MAKING:
        _PROGRAMS.setdefault(key, program)


def flat_extents(program: Program) -> list[int]:
    """Rank and extents behind the batch of every output in turn; none where sizes are free."""
    if any(value.free for value in program.graph.inputs):
        return []
    shapes = [program.graph.type_of(name).shape[1:] for name in program.graph.outputs]
    return [number for shape in shapes for number in (len(shape), *shape)]


@torch.library.custom_op("signbin::run", mutates_args=(), device_types="cpu")
def _run(
    inputs: Sequence[Tensor],
    content: Tensor,
    digest: str,
    isa: str,
    threads: int,
    extents: Sequence[int],
) -> list[Tensor]:
    """The outputs of the program, float32, in the order of its graph's.

    inputs: as for a call of the program; contiguous float32 is read where it lies. content: uint8,
    a .sbn file, whose SHA-256 is digest. isa, threads: as for Program. extents: of the outputs, as
    flat_extents has them.
    """
    del extents
    program = program_of(content, (digest, isa, threads), keep=True)
    form = program.graph.form
    handed = program(*(each.detach() for each in inputs))
    count = len(program.graph.outputs)
    arrays = collected(default_form(count) if form is None else form, handed)
    return [torch.from_numpy(arrays[number]) for number in sorted(arrays)]


@_run.register_fake
def _(
    inputs: Sequence[Tensor],
    content: Tensor,
    digest: str,
    isa: str,
    threads: int,
    extents: Sequence[int],
) -> list[Tensor]:
    del content
    found = _shapes(extents) if extents else _resized(inputs, (digest, isa, threads))
    first = inputs[0]
    return [first.new_empty((first.shape[0], *shape), dtype=torch.float32) for shape in found]


def _shapes(extents: Sequence[int]) -> list[tuple[int, ...]]:
    found, place = [], 0
    while place < len(extents):
        end = place + 1 + extents[place]
        found.append(tuple(extents[place + 1 : end]))
        place = end
    return found


def _resized(inputs: Sequence[Tensor], key: Key) -> list[tuple[int, ...]]:
    """Shapes behind the batch for inputs of these sizes: they are fixed in what is traced."""
    program = _PROGRAMS.get(key)
    if program is None:
        raise ExecutionError(
            "a program with free sizes that this process has not made",
            value=key[0],
            allowed="tracing in the process that made the module",
            remedy="call the exported program as it is, or make the signbin.nn module again",
        )
    graph = program.graph
    given = {
        value.name: tuple(int(extent) for extent in each.shape[1:])
        for value, each in zip(graph.inputs, inputs, strict=True)
    }
    resized = with_extents(graph, given)
    return [resized.type_of(name).shape[1:] for name in graph.outputs]
