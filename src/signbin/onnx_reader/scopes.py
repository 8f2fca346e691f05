"""Which module of the exporter's program a node of ONNX came from, told from what it is called."""

from __future__ import annotations

import ast

from onnx import NodeProto

__all__ = ["scope_of"]

_SCOPES_OF_TORCH = "pkg.torch.onnx.name_scopes"


def scope_of(node: NodeProto) -> str:
    """The module's fully qualified name, "" where nothing tells it.

    PyTorch's exporter of today keeps a list of scopes; the one before and tf2onnx name nodes by
    paths. There every part repeats what is above it or adds one name.

    >>> from onnx import helper
    >>> scope_of(helper.make_node("Conv", [], [], name="/layer1/layer1.0/conv1/Conv"))
    'layer1.0.conv1'
    """
    for entry in node.metadata_props:
        if entry.key == _SCOPES_OF_TORCH:
            return _listed(entry.value)
    scope = ""
    for part in node.name.strip("/").split("/")[:-1]:
        repeats = not scope or part.startswith(scope + ".")
        scope = part if repeats else f"{scope}.{part}"
    return scope


def _listed(text: str) -> str:
    """The innermost module of ``['', 'layer1', 'layer1.0', 'conv2d']``."""
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    named = isinstance(scopes, list) and len(scopes) > 1 and isinstance(scopes[-2], str)
    return scopes[-2] if named else ""
