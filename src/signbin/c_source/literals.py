"""Numbers and names as C writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["array", "identifier", "number", "plain", "structure"]

_LINE = 100
_TYPES = {"f": "float", "i1": "int8_t", "u1": "uint8_t", "i4": "int32_t", "u4": "uint32_t"}


def identifier(name: str) -> str:
    """A name as C takes it: other characters become '_'.

    >>> identifier("stages.0.conv")
    'stages_0_conv'
    """
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def number(value: float) -> str:
    """A float32 number, exactly.

    >>> number(0.5), number(float("-inf"))
    ('0x1.0000000000000p-1f', '-3.40282347e38f')
    """
    limit = 3.40282347e38
    if not -limit <= value <= limit:
        return f"{'-' if value < 0 else ''}3.40282347e38f"
    return f"{float(np.float32(value)).hex()}f"


def plain(text: str) -> str:
    """A text as a string of C holds it, without its quotes: other characters become '?'.

    >>> plain('T-shirt/top'), plain('a "b"')
    ('T-shirt/top', 'a ?b?')
    """
    return re.sub(r"[^ -!#-\[\]-~]", "?", text)


def array(name: str, values: NDArray[np.generic]) -> str:
    """A definition of constants, several to a line."""
    kind = values.dtype.str[1:] if values.dtype.kind != "f" else "f"
    if values.dtype.kind == "f":
        texts: Iterable[str] = (number(float(each)) for each in values)
    elif kind == "u4":
        texts = (f"0x{int(each):x}u" for each in values)
    else:
        texts = (str(int(each)) for each in values)
    lines, line = [], "   "
    for text in texts:
        if len(line) + len(text) + 2 > _LINE:
            lines.append(line)
            line = "   "
        line += f" {text},"
    body = "\n".join([*lines, line])
    return f"static const {_TYPES[kind]} {name}[{len(values)}] = {{\n{body}\n}};\n"


def structure(kind: str, name: str, members: Mapping[str, object]) -> str:
    """A definition of a constant structure, one member to a line."""
    body = "\n".join(f"    .{member} = {value}," for member, value in members.items())
    return f"static const {kind} {name} = {{\n{body}\n}};\n"
