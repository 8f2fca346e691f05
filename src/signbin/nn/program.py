"""A compiled program as a module of PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.hybrid import HybridProgram, load
from signbin.ir.form import filled, numbers_of
from signbin.nn.face import AnyProgram, face_of
from signbin.nn.inference import expect_inference
from signbin.nn.programs import Key, adopt, digest_of, program_of
from signbin.runtime import Program

__all__ = ["ProgramModule"]

_CONTENT: Final = "content"


class ProgramModule(nn.Module):
    """A compiled network, or the body of one, inside a model of PyTorch, for inference on the CPU.

    program: a :class:`signbin.Program`, a network in parts whose outputs are float32 of fixed sizes
    behind the batch (``signbin.compile(..., fallback="onnxruntime")``), or the path of a .sbn file.
    Called with one tensor for every input, in order: of a floating type, computed in float32, whose
    outputs have that type; or uint8 images where the network says how they are prepared. Contiguous
    float32 is read where it lies, and the outputs are the program's own memory: nothing is copied.
    Outputs come in the form of the network's result. Gradients are refused: call it under
    torch.inference_mode().

    The state is the content of the .sbn file, bytes; a loaded state is packed for this CPU on the
    next call. To torch.export and torch.compile it is one operator, ``signbin::run``; what
    torch.export saved runs in other processes that have imported signbin.nn. Sizes that the program
    leaves free are fixed by what is traced; the batch is not.

    >>> import torch, signbin, signbin.nn
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
    >>> body = signbin.nn.ProgramModule(signbin.compile(model, (torch.zeros(1, 3, 8, 8),)))
    >>> with torch.inference_mode():
    ...     body(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 4, 6, 6])
    """

    content: Tensor
    _program: AnyProgram | None

    def __init__(self, program: AnyProgram | str | os.PathLike[str]) -> None:
        super().__init__()
        if isinstance(program, (str, os.PathLike)):
            program = load(Path(program))
        if not isinstance(program, (Program, HybridProgram)):
            raise SpecError(
                "program of signbin.nn.ProgramModule",
                value=type(program).__name__,
                allowed="a signbin.Program, a network in parts, or the path of a .sbn file",
                remedy="compile it first: signbin.compile(model, example_inputs)",
            )
        self._isa, self._threads = face_of(program).isa, program.threads
        data = bytearray(program.to_bytes())
        self.register_buffer(_CONTENT, torch.frombuffer(data, dtype=torch.uint8))
        self._program = None
        adopt(program, (digest_of(self.content), self._isa, self._threads))
        self._open()

    @property
    def program(self) -> AnyProgram:
        """What runs."""
        return self._open()

    def forward(self, *inputs: Tensor) -> Any:
        """The outputs; ExecutionError for other shapes, types, devices, and for gradients."""
        if self._program is None:
            self._open()
        kind = _checked(inputs, self._inputs)
        ready = [each.float() if each.is_floating_point() else each for each in inputs]
        made = torch.ops.signbin.run(ready, self.content, *self._key, self._extents)
        outputs = made if kind is None else [each.to(kind) for each in made]
        return filled(self._form, outputs)

    def extra_repr(self) -> str:
        """The program's own words."""
        return repr(self._open())

    def _open(self) -> AnyProgram:
        if self._program is not None:
            return self._program
        if self.content.dtype != torch.uint8 or self.content.device.type != "cpu":
            raise FormatError(
                "content of a signbin.nn.ProgramModule",
                value=f"{self.content.dtype} on {self.content.device}",
                allowed="bytes on the CPU",
                remedy="keep this module on the CPU: model.body.cpu()",
            )
        self._key: Key = (digest_of(self.content), self._isa, self._threads)
        program = program_of(self.content, self._key)
        face = face_of(program)
        self._extents, self._inputs = list(face.extents), face.inputs
        numbers = sorted(set(numbers_of(face.form)))
        places = {number: place for place, number in enumerate(numbers)}
        self._form = filled(face.form, places)  # type: ignore[arg-type]  # indexed by what it holds
        self._program = program
        return program

    def _apply(self, *arguments: Any, **named: Any) -> Any:
        """Whatever moves or casts the module leaves it to be looked at again."""
        self._program = None
        return super()._apply(*arguments, **named)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        """Loaded content may have any length; it is packed on the next call."""
        given = state_dict.get(prefix + _CONTENT)
        if isinstance(given, Tensor) and given.dtype == torch.uint8 and given.dim() == 1:
            self.content = torch.empty_like(given, device=self.content.device)
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self._program = None

    def __getstate__(self) -> dict[str, Any]:
        """The packed program stays in this process."""
        return {**self.__dict__, "_program": None}


def _checked(inputs: tuple[Tensor, ...], wanted: int) -> torch.dtype | None:
    """The floating type of the first input that has one; ExecutionError for what is refused."""
    if len(inputs) != wanted:
        raise ExecutionError("number of inputs", value=len(inputs), allowed=str(wanted))
    kind = None
    for each in inputs:
        if not isinstance(each, Tensor):
            raise ExecutionError(
                "input of signbin.nn.ProgramModule",
                value=type(each).__name__,
                allowed="a tensor",
                remedy="torch.from_numpy(array)",
            )
        expect_inference("signbin.nn.ProgramModule", each)
        if kind is None and each.is_floating_point():
            kind = each.dtype
    return kind
