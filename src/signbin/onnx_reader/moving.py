"""Rows that move numbers and change none: reshapes, slices, concatenation, padding, means."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from signbin.draft import Entry, Parts, Unsupported, Variable
from signbin.onnx_reader.node import OnnxNode, Row, Rows

__all__ = ["MOVING"]


def _view(node: OnnxNode) -> Entry:
    return node.say("view.default", self=node.entry(0))


def _transpose(node: OnnxNode) -> Entry:
    x = node.variable()
    order = node.attribute("perm") or list(reversed(range(len(x.shape))))
    return node.say("permute.default", self=x, dims=[int(axis) for axis in order])


def _concat(node: OnnxNode) -> Entry:
    axis = int(node.attribute("axis", 1))
    return node.say("cat.default", tensors=list(node.inputs), dim=axis)


def _split(node: OnnxNode) -> tuple[Entry, ...]:
    axis = int(node.attribute("axis", 0))
    parts = node.say("split.Tensor", self=node.variable(), dim=axis, shapes=node.shapes)
    if not isinstance(parts, Parts):
        raise Unsupported("its parts", "split along axis 1")
    return tuple(
        node.say("getitem", self=parts, index=number, shape=node.shapes[number], name=name)
        for number, name in enumerate(node.names)
    )


def _slice(node: OnnxNode) -> Entry:
    """One axis after another, the last under the name of the node."""
    x = node.call({"self": node.entry(0)}).variable("self")
    cuts = [cut for cut in _cuts(node, x) if cut[1] != slice(0, x.shape[cut[0]], 1)]
    made: Entry = x
    for number, (axis, cut) in enumerate(cuts):
        assert isinstance(made, Variable)
        extents = list(made.shape)
        extents[axis] = len(range(extents[axis])[cut])
        made = node.say(
            "slice.Tensor",
            self=made,
            dim=axis,
            start=cut.start,
            end=cut.stop,
            step=cut.step,
            shape=tuple(extents),
            suffix="" if number == len(cuts) - 1 else f".axis{axis}",
        )
    return made


def _cuts(node: OnnxNode, x: Variable) -> list[tuple[int, slice]]:
    starts, ends = node.stated(1, "starts"), node.stated(2, "ends")
    axes = node.stated(3, "axes") or list(range(len(starts)))
    steps = node.stated(4, "steps") or [1] * len(starts)
    cuts = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = int(axis) % len(x.shape)
        if at == 0:
            if (start, step) == (0, 1) and end >= node.batch:
                continue
            raise Unsupported("takes some of the images", "keep all images")
        if step < 1:
            raise Unsupported(f"steps={steps}", "step forwards")
        first, last, _ = slice(start, end).indices(x.shape[at])
        cuts.append((at, slice(first, last, step)))
    return cuts


def _pad(node: OnnxNode) -> Entry:
    mode = node.attribute("mode", b"constant")
    text = mode.decode() if isinstance(mode, bytes) else str(mode)
    x, pads = node.variable(), [int(pad) for pad in node.stated(1, "pads", [])]
    value = node.stated(2, "value", 0.0)
    number = float(value[0] if isinstance(value, list) else value)
    rank = len(x.shape)
    if node.has(3):
        axes = [int(axis) % rank for axis in node.known(3).reshape(-1)]
        before, after = [0] * rank, [0] * rank
        for position, axis in enumerate(axes):
            before[axis], after[axis] = pads[position], pads[position + len(axes)]
    else:
        before, after = pads[:rank], pads[rank:]
    amounts = [amount for axis in reversed(range(rank)) for amount in (before[axis], after[axis])]
    return node.say(
        "pad.default",
        self=x,
        pad=amounts,
        mode={"edge": "replicate", "wrap": "circular"}.get(text, text),
        value=number,
    )


def _softmax(node: OnnxNode) -> Entry:
    """Before opset 13 all axes from the stated one on are one."""
    x = node.variable()
    axis = int(node.attribute("axis", -1 if node.version >= 13 else 1)) % len(x.shape)
    if node.version < 13 and any(extent != 1 for extent in x.shape[axis + 1 :]):
        raise Unsupported(f"softmax over axes from {axis} on", "export with opset 13 or later")
    return node.say("softmax.int", self=x, dim=axis)


def _reduce(operator: str) -> Row:
    def row(node: OnnxNode) -> Entry:
        x = node.variable()
        axes = node.stated(1, "axes")
        if not axes:
            if node.attribute("noop_with_empty_axes", 0):
                return x
            raise Unsupported("over all axes, the images too", "state the axes")
        found = [int(axis) % len(x.shape) for axis in axes]
        keep = bool(node.attribute("keepdims", 1))
        return node.say(operator, self=x, dim=found, keepdim=keep, dtype=None)

    return row


MOVING: Final[Rows] = MappingProxyType(
    {
        **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _view),
        "Transpose": _transpose,
        "Concat": _concat,
        "Split": _split,
        "Slice": _slice,
        "Pad": _pad,
        "Softmax": _softmax,
        "ReduceMean": _reduce("mean.dim"),
        "ReduceSum": _reduce("sum.dim_IntList"),
        "ReduceMax": _reduce("amax.default"),
    }
)
"""Operator of ONNX -> its row."""
