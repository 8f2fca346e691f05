"""The text form of a graph: reading back what text.py prints.

The grammar is exactly what ``print_graph`` writes, plus blank lines and lines that start with
``#``. Everything is matched line by line with patterns of linear cost; text, lines and numbers
are capped, so that no text can take long or raise anything but VerifyError.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from signbin.errors import SpecError, VerifyError
from signbin.ir.form import Form, form_from_json, form_to_json
from signbin.ir.graph import (
    BATCH,
    AttributeValue,
    Constant,
    ConstRef,
    Graph,
    Node,
    TensorType,
    Value,
)
from signbin.ir.text import describe_constant
from signbin.ir.verify import MAX_NODES, verify
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

__all__ = ["parse_graph"]

_LONGEST_TEXT: Final = 2**24
_LONGEST_LINE: Final = 8192
_STAGES: Final = ("graph", "input", "const", "node", "output", "form")

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_.]{0,254}"
_TYPE: Final = (
    r"([a-z0-9]{1,8})\[(N(?:,[0-9]{1,10}){0,7})\]"
    r"(?: scale ([0-9.e+-]{1,32}) zero ([0-9]{1,4}) bits ([0-9]))?"
)
_GRAPH: Final = re.compile(rf"graph ({_NAME})")
_INPUT: Final = re.compile(rf"input %({_NAME}) : {_TYPE}(?: free \(([0-9](?:,[0-9]){{0,7}})\))?")
_CONST: Final = re.compile(rf"const @({_NAME}) : (.+)")
_NODE: Final = re.compile(
    rf"%({_NAME}) = ([a-z0-9_]{{1,64}})\(([^()]*)\)(?: \{{([^{{}}]*)\}})? : {_TYPE}"
    r'(?: from ("(?:[^"\\]|\\.)*"))?'
)
_VALUES: Final = re.compile(rf"%{_NAME}(?:, %{_NAME})*")
_ATTRIBUTE: Final = re.compile(r"([a-z0-9_]{1,64})=(.+)")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_INTEGERS: Final = re.compile(r"\((-?[0-9]{1,19}(?:,-?[0-9]{1,19}){0,7})\)")
_FLOAT: Final = re.compile(r"-?(?:inf|[0-9][0-9.e+-]{0,31})")
_WORD: Final = re.compile(r'"([a-z0-9_]{0,64})"')
_REFERENCE: Final = re.compile(rf"@({_NAME})")


@dataclasses.dataclass
class _Draft:
    """What has been read so far; lines: how many of the present stage."""

    constants: Mapping[str, Constant]
    name: str = ""
    stage: int = -1
    lines: int = 0
    inputs: list[Value] = dataclasses.field(default_factory=list)
    named_constants: dict[str, Constant] = dataclasses.field(default_factory=dict)
    nodes: list[Node] = dataclasses.field(default_factory=list)
    outputs: tuple[str, ...] = ()
    form: Form | None = None


class _Malformed(Exception):
    """What is wrong with a line; parse_graph adds the line's number."""

    def __init__(self, what: str, value: object, allowed: str) -> None:
        super().__init__(what)
        self.what, self.value, self.allowed = what, value, allowed


def parse_graph(text: str, constants: Mapping[str, Constant]) -> Graph:
    """Read what ``print_graph`` printed; the result is verified.

    constants: the arrays and low-bit weights by name: exactly those the text declares, with the
    types it states. Raises VerifyError, with the number of the line where the text is malformed.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise VerifyError(
            "text of a graph",
            value=f"{len(text)} characters" if isinstance(text, str) else type(text).__name__,
            allowed=f"a string of at most {_LONGEST_TEXT} characters",
        )
    draft = _Draft(constants)
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            _read_line(draft, line)
        except _Malformed as error:
            raise VerifyError(
                f"line {number}: {error.what}", value=error.value, allowed=error.allowed
            ) from None
    _expect_complete(draft, len(lines))
    graph = Graph(
        draft.name,
        tuple(draft.inputs),
        tuple(draft.nodes),
        draft.outputs,
        draft.named_constants,
        draft.form,
    )
    verify(graph)
    return graph


def _read_line(draft: _Draft, line: str) -> None:
    if len(line) > _LONGEST_LINE:
        raise _Malformed("length", len(line), f"<= {_LONGEST_LINE} characters")
    kind = "node" if line.startswith("%") else line.split(" ", 1)[0]
    if kind not in _STAGES:
        raise _Malformed("start of the line", line, "graph, input, const, %name, output or form")
    stage = _STAGES.index(kind)
    first_must_be_graph = draft.stage == -1 and kind != "graph"
    once = kind in ("graph", "output", "form")
    if first_must_be_graph or stage < draft.stage or (once and stage == draft.stage):
        raise _Malformed(
            "order of lines", kind, "one graph, inputs, consts, nodes, one output, one form or none"
        )
    draft.lines = 1 if stage != draft.stage else draft.lines + 1
    if draft.lines > MAX_NODES:
        raise _Malformed(f"number of {kind} lines", draft.lines, f"<= {MAX_NODES}")
    draft.stage = stage
    {
        "graph": _read_graph,
        "input": _read_input,
        "const": _read_constant,
        "node": _read_node,
        "output": _read_outputs,
        "form": _read_form,
    }[kind](draft, line)


def _expect_complete(draft: _Draft, lines: int) -> None:
    if draft.stage < _STAGES.index("output"):
        raise VerifyError(
            f"line {lines}: end of the text",
            allowed="a line 'output %name' at the end",
            remedy="look for a truncated file",
        )
    for name in draft.constants:
        if name not in draft.named_constants:
            raise VerifyError(
                f"constant @{name}: the text does not declare it",
                allowed="exactly the constants the text declares",
                remedy="remove it",
            )


def _match(pattern: re.Pattern[str], line: str, what: str, example: str) -> re.Match[str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise _Malformed(what, line, example)
    return match


def _read_graph(draft: _Draft, line: str) -> None:
    draft.name = _match(_GRAPH, line, "graph", "graph NAME")[1]


def _read_input(draft: _Draft, line: str) -> None:
    example = "input %NAME : f32[N,...], and perhaps free (2,3)"
    name, *type_, free = _match(_INPUT, line, "input", example).groups()
    axes = tuple(map(int, free.split(","))) if free else ()
    draft.inputs.append(Value(name, _tensor_type(*type_), axes))


def _read_constant(draft: _Draft, line: str) -> None:
    match = _match(_CONST, line, "const", "const @NAME : TYPE")
    name, stated = match[1], match[2]
    constant = draft.constants.get(name)
    known = isinstance(constant, np.ndarray | LowBitWeight | IntegerWeight)
    if constant is None or not known or name in draft.named_constants:
        raise _Malformed("const", name, "a given float32 array or weight, declared once")
    actual = describe_constant(constant)
    if stated != actual:
        raise _Malformed(f"type of const @{name}", stated, actual)
    draft.named_constants[name] = constant


def _read_node(draft: _Draft, line: str) -> None:
    example = '%NAME = OP(%INPUT, ...) {ATTRIBUTE=VALUE, ...} : f32[N,...] from "MODULE"'
    name, op, inputs, attributes, *type_, source = _match(_NODE, line, "node", example).groups()
    draft.nodes.append(
        Node(
            name,
            op,
            _value_names(inputs),
            _attributes(attributes),
            _tensor_type(*type_),
            "" if source is None else _source(source),
        )
    )


def _read_outputs(draft: _Draft, line: str) -> None:
    draft.outputs = _value_names(line.removeprefix("output "))


def _read_form(draft: _Draft, line: str) -> None:
    text = line.removeprefix("form ")
    try:
        draft.form = form_from_json(json.loads(text))
        canonical = json.dumps(form_to_json(draft.form), separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise _Malformed("form", text, f'as {{"tuple":[0,1]}} ({error})') from None
    if canonical != text:
        raise _Malformed("form", text, canonical)


def _value_names(text: str) -> tuple[str, ...]:
    _match(_VALUES, text, "names of values", "%NAME, %NAME, ...")
    return tuple(name.removeprefix("%") for name in text.split(", "))


def _tensor_type(
    dtype: str, shape: str, scale: str | None, zero: str | None, bits: str | None
) -> TensorType:
    extents = [_canonical_integer(extent) for extent in shape.split(",")[1:]]
    if scale is None or zero is None or bits is None:
        return TensorType(dtype, (BATCH, *extents))
    numbers = _canonical_float(scale), _canonical_integer(zero), _canonical_integer(bits)
    try:
        spec = ActivationSpec(*numbers)
    except SpecError as error:
        raise _Malformed("quantization", f"{scale}, {zero}, {bits}", str(error)) from None
    return TensorType(dtype, (BATCH, *extents), spec)


def _source(text: str) -> str:
    try:
        source = json.loads(text)
    except ValueError:
        source = None
    if not isinstance(source, str) or json.dumps(source) != text or not source:
        raise _Malformed("source", text, "a JSON string in ASCII, not empty")
    return source


def _attributes(text: str | None) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if text is None:
        return attributes
    for part in text.split(", "):
        match = _match(_ATTRIBUTE, part, "attribute", "NAME=VALUE")
        if match[1] in attributes:
            raise _Malformed("attribute", match[1], "each attribute once")
        attributes[match[1]] = _attribute_value(match[2])
    return attributes


def _attribute_value(text: str) -> AttributeValue:
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return _canonical_integer(text)
    if match := _INTEGERS.fullmatch(text):
        return tuple(_canonical_integer(member) for member in match[1].split(","))
    if match := _WORD.fullmatch(text):
        return match[1]
    if match := _REFERENCE.fullmatch(text):
        return ConstRef(match[1])
    if _FLOAT.fullmatch(text):
        return _canonical_float(text)
    raise _Malformed(
        "value of an attribute", text, 'true, 3, 0.5, inf, (1,1), "word" or @NAME; not nan'
    )


def _canonical_integer(text: str) -> int:
    if str(int(text)) != text:
        raise _Malformed("whole number", text, str(int(text)))
    return int(text)


def _canonical_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _Malformed("real number", text, "as Python's repr prints it") from None
    if repr(number) != text:
        raise _Malformed("real number", text, repr(number))
    return number
