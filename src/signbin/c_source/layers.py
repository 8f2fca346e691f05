"""Layers with weights, as calls of the kernels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from signbin.c_source.images import is_image, window_of
from signbin.c_source.masks import MaskKind, Masks, Shape, pack_masks, signs_of
from signbin.c_source.refusal import refusal
from signbin.c_source.writer import Scratch, Writer, ending
from signbin.ir import Graph, Node, requantization, resolve
from signbin.ir.graph import ConstRef
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

__all__ = ["conv2d", "linear"]

_LARGEST_PLACE = 2**16
_COMPILE = "compile with --activations int8, without --float-layers"


def conv2d(writer: Writer, node: Node) -> None:
    """A convolution; of one pixel and one tap it is a linear layer."""
    graph = writer.graph
    source = _spec(graph, node)
    if not is_image(graph, node.inputs[0]):
        raise refusal(
            node,
            "reads a single pixel that is no image",
            allowed="convolutions of images",
            remedy="say it as a linear layer",
        )
    if node.type.dtype != "u8":
        raise refusal(
            node,
            "writes float numbers",
            allowed="codes",
            remedy="end the network in a linear layer",
        )
    weight = _weight(graph, node)
    groups = int(resolve(node)["groups"])  # type: ignore[arg-type]
    image = writer.images[node.name]
    tiles = image.columns * image.height / 2
    masks = None
    if isinstance(weight, LowBitWeight) and weight.shape[1] > 1:
        masks = pack_masks(weight, Shape(groups, math.ceil(tiles), source.top))
    residual = writer.words(node.inputs[1]) if len(node.inputs) > 1 else "0"
    operands = [writer.words(node.inputs[0]), residual, writer.words(node.name)]
    shared = _shared(writer, node, weight, groups, (source, masks))
    if masks is None or isinstance(weight, IntegerWeight):
        writer.scratch = writer.scratch.most(Scratch(places=math.prod(weight.shape[1:]) + 1))
        layer = writer.structure(node, "sbc_dense", {**shared, **_dense(writer, node, groups)})
        writer.call("dense.c", "sbc_dense_conv2d", layer, *operands, "&scratch")
        return
    _note_scratch(writer, node, weight, masks, groups)
    members = {**shared, "chunk": masks.chunk, "parts": masks.parts}
    members.update(_mask_members(writer, node, masks))
    members["counts"] = writer.array(node, "counts", masks.counts)
    layer = writer.structure(node, "sbc_low_bit", members)
    writer.call("low_bit.c", "sbc_low_bit_conv2d", layer, *operands, "&scratch")


def linear(writer: Writer, node: Node) -> None:
    """A linear layer, to codes or to the numbers that the network gives."""
    graph = writer.graph
    source = _spec(graph, node)
    if len(node.type.shape) != 2 or len(node.inputs) > 1:
        raise refusal(node, f"{node.type.shape[1:]} outputs", allowed="one row without a residual")
    weight = _weight(graph, node)
    masks = None
    if isinstance(weight, LowBitWeight):
        masks = pack_masks(weight, Shape(1, 0, 1))
        assert masks is not None
    members: dict[str, object] = {
        "inputs": weight.shape[1],
        "outputs": weight.shape[0],
        "input_zero": source.zero_point,
        **_from_sums(writer, node, weight, source, masks),
    }
    to_codes = node.type.dtype == "u8"
    operands = [writer.codes(node.inputs[0]), writer.codes(node.name) if to_codes else "0"]
    operands.append("0" if to_codes else "output")
    if masks is None:
        members["weights"] = writer.array(node, "weights", weight.codes)
        layer = writer.structure(node, "sbc_linear", members)
        writer.call("linear.c", "sbc_dense_linear", layer, *operands)
        return
    members.update(_mask_members(writer, node, masks), parts=masks.parts)
    layer = writer.structure(node, "sbc_linear", members)
    writer.call("linear.c", "sbc_low_bit_linear", layer, *operands)


def _spec(graph: Graph, node: Node) -> ActivationSpec:
    """What the codes it reads mean."""
    spec = graph.type_of(node.inputs[0]).quantization
    if spec is None:
        raise refusal(node, "reads float numbers", allowed="8-bit activations", remedy=_COMPILE)
    return spec


def _weight(graph: Graph, node: Node) -> LowBitWeight | IntegerWeight:
    reference = node.attributes["weight"]
    assert isinstance(reference, ConstRef)
    weight = graph.constants[reference.name]
    assert isinstance(weight, LowBitWeight | IntegerWeight)  # verified: of every layer on codes
    return weight


def _shift(weight: LowBitWeight | IntegerWeight, source: ActivationSpec) -> NDArray[np.int32]:
    """What the zero point of the input adds to every sum."""
    codes = weight.codes.reshape(len(weight.codes), -1).sum(axis=1, dtype=np.int64)
    return np.asarray(-source.zero_point * codes).astype(np.int32)


def _from_sums(
    writer: Writer,
    node: Node,
    weight: LowBitWeight | IntegerWeight,
    source: ActivationSpec,
    masks: Masks | None,
) -> dict[str, object]:
    """What makes codes of sums. Filters of one sign have it in their scale: -A s = A (-s)."""
    constants, shift = requantization(writer.graph, node), _shift(weight, source)
    signs = signs_of(weight) if isinstance(weight, LowBitWeight) and masks is not None else None
    if masks is not None and masks.kind is MaskKind.TWO_SIGNS and isinstance(weight, LowBitWeight):
        # T lacks the zeros of all inputs, which the sum of all codes has
        shift = shift - np.int32(source.zero_point * math.prod(weight.shape[1:]))
    if signs is not None:
        shift = shift * signs
        scale = constants.scale * signs.astype(np.float32)
        # a bias of -0 would let the sign of a sum of 0 through
        bias = constants.bias + np.float32(0)
        constants = dataclasses.replace(constants, scale=scale, bias=bias)
    return {
        "shift": writer.array(node, "shift", shift),
        "ending": ending(writer, node, constants, _largest(weight)),
    }


def _largest(weight: LowBitWeight | IntegerWeight) -> float:
    """Bound of |A| and |T|."""
    inputs = math.prod(weight.shape[1:])
    codes = np.abs(weight.codes.astype(np.int64)).reshape(len(weight.codes), -1).sum(axis=1).max()
    return 255.0 * max(int(codes), inputs)


def _dense(writer: Writer, node: Node, groups: int) -> dict[str, object]:
    """Weights of a byte: of two filters and two taps in a word, or filter by filter."""
    codes = _weight(writer.graph, node).codes
    flat = codes.reshape(groups, len(codes) // groups, -1)
    if flat.shape[1] == 1:
        return {"weights": writer.array(node, "weights", flat)}
    padded = np.zeros((groups, -(-flat.shape[1] // 2) * 2, -(-flat.shape[2] // 2) * 2), np.int8)
    padded[:, : flat.shape[1], : flat.shape[2]] = flat
    apart = padded.reshape(groups, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2)
    words = np.ascontiguousarray(apart.transpose(0, 1, 3, 4, 2)).reshape(-1, 4).view("<u4")
    return {"pairs": writer.array(node, "pairs", words.astype(np.uint32))}


def _shared(
    writer: Writer,
    node: Node,
    weight: LowBitWeight | IntegerWeight,
    groups: int,
    how: tuple[ActivationSpec, Masks | None],
) -> dict[str, object]:
    graph = writer.graph
    window = window_of(graph, node)
    numbers = window.numbers
    _expect_small(writer, node, weight)
    return {
        "input": writer.image(node.inputs[0]),
        "output": writer.image(node.name),
        "window": "{" + ", ".join(map(str, numbers)) + "}",
        "groups": groups,
        **_from_sums(writer, node, weight, *how),
    }


def _expect_small(writer: Writer, node: Node, weight: LowBitWeight | IntegerWeight) -> None:
    image = writer.images[node.inputs[0]]
    if weight.shape[1] * image.plane > _LARGEST_PLACE:
        raise refusal(
            node,
            f"an input of {weight.shape[1] * image.plane * 4} bytes in a group",
            allowed=f"at most {_LARGEST_PLACE * 4}",
            remedy="smaller images, or fewer channels",
        )


def _mask_members(writer: Writer, node: Node, masks: Masks) -> dict[str, object]:
    return {
        "kind": masks.kind.value,
        "ranks": writer.array(node, "ranks", masks.ranks),
    }


def _note_scratch(
    writer: Writer, node: Node, weight: LowBitWeight, masks: Masks, groups: int
) -> None:
    """What the layer needs of the memory that layers share."""
    taps, channels = math.prod(weight.shape[2:]), weight.shape[1]
    chunks = -(-channels // masks.chunk)
    source, image = writer.images[node.inputs[0]], writer.images[node.name]
    totals = masks.kind is MaskKind.TWO_SIGNS or weight.offset is not None
    needed = Scratch(
        sums=2 * source.plane if totals else 0,
        totals=4 * image.columns * image.height if totals else 0,
        places=channels * taps,
        offsets=chunks * masks.chunk * taps,
        ends=chunks << masks.together,
    )
    writer.scratch = writer.scratch.most(needed)
