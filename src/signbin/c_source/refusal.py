"""What cannot be exported as C, said by name and with what to do."""

from __future__ import annotations

from signbin.errors import SpecError
from signbin.ir import Node

__all__ = ["refusal"]


def refusal(node: Node, what: str, *, allowed: str, remedy: str = "change the layer") -> SpecError:
    """An error that names the node; the caller raises it."""
    name = node.name if not node.source else f"{node.name} ({node.source})"
    return SpecError(f"{node.op} {name} as C", value=what, allowed=allowed, remedy=remedy)
