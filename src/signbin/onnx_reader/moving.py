"""Rows that move numbers and change none: reshapes, slices, concatenation, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from signbin.draft import Entry, Parts, Unsupported, Variable
from signbin.draft.call import expect_modest
from signbin.draft.places import bordered_axis, taken_from
from signbin.ir import BATCH
from signbin.onnx_reader.node import OnnxNode, Row, Rows

__all__ = ["MOVING"]


def _view(node: OnnxNode) -> Entry:
    return node.say("view.default", self=node.entry(0))


def _transpose(node: OnnxNode) -> Entry:
    x = node.variable()
    rank = len(x.shape) - node.lead
    order = node.attribute("perm") or list(reversed(range(rank)))
    dims = [*range(node.lead), *(node.axis(axis, x) for axis in order)]
    return node.say("permute.default", self=x, dims=dims)


def _concat(node: OnnxNode) -> Entry:
    values = [entry for entry in node.inputs if isinstance(entry, Variable)]
    if not values:
        raise Unsupported("parts of parts", "join values")
    axis = node.axis(node.attribute("axis", 1), values[0])
    return node.say("cat.default", tensors=list(node.inputs), dim=axis)


def _split(node: OnnxNode) -> tuple[Entry, ...]:
    x = node.variable()
    axis = node.axis(node.attribute("axis", 0), x)
    parts = node.say("split.Tensor", self=x, dim=axis, shapes=node.shapes)
    if not isinstance(parts, Parts):
        raise Unsupported("its parts", "split along another axis")
    return tuple(
        node.say("getitem", self=parts, index=number, shape=node.shapes[number], name=name)
        for number, name in enumerate(node.names)
    )


def _slice(node: OnnxNode) -> Entry:
    """One axis after another, the last under the name of the node."""
    x = node.call({"self": node.entry(0)}).variable("self")
    cuts = [cut for cut in _cuts(node, x) if cut[1] != range(x.shape[cut[0]])]
    made: Entry = x
    for number, (axis, taken) in enumerate(cuts):
        assert isinstance(made, Variable)
        suffix = "" if number == len(cuts) - 1 else f".axis{axis}"
        made = _some(node, made, axis, taken, suffix)
    return made


def _some(node: OnnxNode, x: Variable, axis: int, places: Sequence[int], suffix: str) -> Entry:
    """Elements of an axis by their places: a slice where they are one."""
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    step = places[1] - places[0] if len(places) > 1 else 1
    # Ranges are compared as they are: a small file may slice an axis padded to many millions.
    stepped = range(places[0], places[-1] + 1, step) if step > 0 else range(0)
    even = places == stepped if isinstance(places, range) else list(places) == list(stepped)
    if not even:
        call = node.call({}, suffix=suffix)
        return taken_from(call, x, axis, places)
    return node.say(
        "slice.Tensor",
        self=x,
        dim=axis,
        start=places[0],
        end=places[-1] + 1,
        step=step,
        shape=shape,
        suffix=suffix,
    )


def _cuts(node: OnnxNode, x: Variable) -> list[tuple[int, range]]:
    starts, ends = node.stated(1, "starts"), node.stated(2, "ends")
    axes = node.stated(3, "axes") or list(range(len(starts)))
    steps = node.stated(4, "steps") or [1] * len(starts)
    cuts = []
    for stated, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = node.axis(stated, x)
        if axis == BATCH:
            if (start, step) == (0, 1) and end >= node.batch:
                continue
            raise Unsupported("takes some of the images", "keep all images")
        cuts.append((axis, range(x.shape[axis])[slice(start, end, step)]))
    return cuts


def _pad(node: OnnxNode) -> Entry:
    mode = node.text("mode", "constant")
    x, pads = node.variable(), [int(pad) for pad in node.stated(1, "pads", [])]
    value = node.stated(2, "value", 0.0)
    number = float(value[0] if isinstance(value, list) else value)
    rank = len(x.shape)
    axes = node.known(3).reshape(-1).tolist() if node.has(3) else range(rank - node.lead)
    before, after = [0] * rank, [0] * rank
    for position, stated in enumerate(axes):
        axis = node.axis(stated, x)
        before[axis], after[axis] = pads[position], pads[position + len(axes)]
    if before[BATCH] or after[BATCH]:
        raise Unsupported("adds images", "keep the images")
    image = rank == 4 and not (mode != "constant" and (before[1] or after[1]))
    if not image or (mode == "constant" and (number or min(before[1], after[1]) < 0)):
        return _bordered(node, x, list(zip(before, after, strict=True)), mode, number)
    amounts = [amount for axis in reversed(range(rank)) for amount in (before[axis], after[axis])]
    return node.say(
        "pad.default",
        self=x,
        pad=amounts,
        mode=_MODES.get(mode, mode),
        value=number,
    )


_MODES: Final = {"edge": "replicate", "wrap": "circular"}


def _bordered(
    node: OnnxNode, x: Variable, sides: list[tuple[int, int]], mode: str, value: float
) -> Entry:
    """Any axis of values of any rank, one after the other."""
    wanted = [axis for axis, both in enumerate(sides) if any(both)]
    made: Entry = x
    for axis in wanted:
        suffix = "" if axis == wanted[-1] else f".axis{axis}"
        assert isinstance(made, Variable)
        call = node.call({}, suffix=suffix)
        made = bordered_axis(call, made, axis, sides[axis], _MODES.get(mode, mode), value)
    return made


def _softmax(operator: str) -> Row:
    def row(node: OnnxNode) -> Entry:
        """Before opset 13 all axes from the stated one on are one."""
        x = node.variable()
        axis = node.axis(node.attribute("axis", -1 if node.version >= 13 else 1), x)
        if node.version >= 13 or all(extent == 1 for extent in x.shape[axis + 1 :]):
            return node.say(f"{operator}.int", self=x, dim=axis)
        rows = (*x.shape[:axis], math.prod(x.shape[axis:]))
        seen = Variable(x.name, rows if axis else x.shape, x.stored)
        made = node.say(f"{operator}.int", self=seen, dim=axis, shape=seen.shape)
        assert isinstance(made, Variable)
        return Variable(made.name, x.shape, made.stored)

    return row


def _gather(node: OnnxNode) -> Entry:
    """Elements of an axis by constant places; one place alone leaves the axis out."""
    x, given = node.variable(), node.known(1)
    axis = node.axis(node.attribute("axis", 0), x)
    if axis == BATCH:
        raise Unsupported("takes some of the images", "keep all images")
    extent, stated = x.shape[axis], [int(place) for place in given.reshape(-1)]
    beyond = [place for place in stated if not -extent <= place < extent]
    if beyond:
        raise Unsupported(f"element {beyond[0]} of {extent}", "check the model with onnx.checker")
    places = [place % extent for place in stated]
    made = _some(node, x, axis, places, "")
    assert isinstance(made, Variable)
    shape = (*x.shape[:axis], *given.shape, *x.shape[axis + 1 :])
    return Variable(made.name, shape, made.stored)


def _expand(node: OnnxNode) -> Entry:
    """The shape of the result has been inferred; the number of images is not one of its ones."""
    return node.say("expand.default", self=node.variable())


def _tile(node: OnnxNode) -> Entry:
    x, repeats = node.variable(), node.known(1).reshape(-1).tolist()
    made: Entry = x
    axes = [(node.axis(at, x), int(count)) for at, count in enumerate(repeats) if count != 1]
    for number, (axis, count) in enumerate(axes):
        if axis == BATCH:
            raise Unsupported("repeats the images", "keep all images")
        assert isinstance(made, Variable)
        suffix = "" if number == len(axes) - 1 else f".axis{axis}"
        expect_modest(x.shape[axis] * count, "a list")
        made = _some(node, made, axis, list(range(x.shape[axis])) * count, suffix)
    return made


def _depth_to_space(node: OnnxNode) -> Entry:
    """DCR has the block before the channels: they are brought behind it first."""
    x, side = node.call({"self": node.entry(0)}).variable("self", rank=4), _side(node)
    if node.text("mode", "DCR") == "DCR":
        groups: dict[str, Any] = {"groups": side * side}
        shuffled = node.say(
            "channel_shuffle.default", self=x, shape=x.shape, suffix=".order", **groups
        )
        assert isinstance(shuffled, Variable)
        x = shuffled
    return node.say("pixel_shuffle.default", self=x, upscale_factor=side)


def _space_to_depth(node: OnnxNode) -> Entry:
    """What DepthToSpace undoes."""
    x, side = node.variable(), _side(node)
    if node.text("mode", "DCR") == "CRD":
        return node.say("pixel_unshuffle.default", self=x, downscale_factor=side)
    made = node.say("pixel_unshuffle.default", self=x, downscale_factor=side, suffix=".blocks")
    assert isinstance(made, Variable)
    return node.say("channel_shuffle.default", self=made, groups=x.shape[1])


def _side(node: OnnxNode) -> int:
    side = int(node.attribute("blocksize"))
    if side < 1:
        raise Unsupported(f"blocksize={side}", "use 1 or more")
    return side


MOVING: Final[Rows] = MappingProxyType(
    {
        **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _view),
        "Transpose": _transpose,
        "Concat": _concat,
        "Split": _split,
        "Slice": _slice,
        "Gather": _gather,
        "Expand": _expand,
        "Tile": _tile,
        "Pad": _pad,
        "Softmax": _softmax("softmax"),
        "LogSoftmax": _softmax("log_softmax"),
        "DepthToSpace": _depth_to_space,
        "SpaceToDepth": _space_to_depth,
    }
)
"""Operator of ONNX -> its row."""
