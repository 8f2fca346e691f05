"""``torch.ops.signbin.run(inputs, content, digest, isa, threads, extents)``: a program as operator.

PyTorch passes numbers, texts and tensors between operators, no other objects: so a program travels
as the content of its .sbn file, a tensor of bytes, and is found by the content's SHA-256 without
reading it. Where no module of this process has made it, as in an exported program that was loaded
elsewhere, it is made from the content on the first call, and the last few of these are kept.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signbin.errors import ExecutionError, FormatError
from signbin.hybrid import HybridProgram, from_bytes
from signbin.ir import with_extents
from signbin.ir.form import collected, default_form
from signbin.locks import ForkedOpenLock
from signbin.nn.face import AnyProgram

__all__ = ["Key", "adopt", "digest_of", "program_of"]

Key: TypeAlias = tuple[str, str, int]
"""SHA-256 of a program's content, in hexadecimal digits; isa; threads."""

_MOST_KEPT: Final = 8
_PROGRAMS: Final[weakref.WeakValueDictionary[Key, AnyProgram]] = weakref.WeakValueDictionary()
_KEPT: Final[OrderedDict[Key, AnyProgram]] = OrderedDict()  # of contents that no module holds
_MAKING: Final = ForkedOpenLock()


def digest_of(content: Tensor) -> str:
    """SHA-256 of a tensor of bytes on the CPU."""
    return hashlib.sha256(content.detach().contiguous().numpy().data).hexdigest()


def program_of(content: Tensor, key: Key, *, keep: bool = False) -> AnyProgram:
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
            found = from_bytes(content.numpy().tobytes(), isa=key[1], threads=key[2])
            _PROGRAMS[key] = found
            if keep:
                _KEPT[key] = found
                while len(_KEPT) > _MOST_KEPT:
                    _KEPT.popitem(last=False)
        return found


def adopt(program: AnyProgram, key: Key) -> None:
    """Have the program of this key be this one, where there is none yet."""
    with _MAKING:
        _PROGRAMS.setdefault(key, program)


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
    a Face has them.
    """
    program = program_of(content, (digest, isa, threads), keep=True)
    given = [each.detach() for each in inputs]
    if isinstance(program, HybridProgram):
        arrays = collected(program.content.form, program(*given))
        made = [_owned(arrays[number], given) for number in sorted(arrays)]
        _expect(made, _shapes(extents))
        return [torch.from_numpy(array) for array in made]
    form, count = program.graph.form, len(program.graph.outputs)
    arrays = collected(default_form(count) if form is None else form, program(*given))
    return [torch.from_numpy(arrays[number]) for number in sorted(arrays)]


def _owned(array: NDArray[Any], inputs: Sequence[Tensor]) -> NDArray[Any]:
    """The array, or a copy where a network hands an input back: outputs are memory of their own."""
    given = any(np.may_share_memory(array, each.numpy()) for each in inputs)
    return array.copy() if given or not array.flags.writeable else array


def _expect(made: Sequence[NDArray[Any]], wanted: Sequence[tuple[int, ...]]) -> None:
    """A file says of ONNX Runtime's outputs what it likes, and what is traced relies on it."""
    found = [(str(array.dtype), array.shape[1:]) for array in made]
    if found != [("float32", shape) for shape in wanted]:
        raise ExecutionError(
            "outputs of a network in parts",
            value=found,
            allowed=f"float32 of the sizes that its file says: {wanted}",
        )


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
    if program is None or isinstance(program, HybridProgram):  # these say their extents
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
