"""From a lowered graph and its plan to a native program: one step per node."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import (
    Graph,
    TensorType,
    arguments_of,
    margins,
    requantization,
)
from signbin.ir.functions import FUNCTIONS
from signbin.ir.resampling import (
    CODE_SHARES,
    Table,
    fill_code,
    linear_tables,
    nearest_tables,
    pad_tables,
)
from signbin.layout import (
    FLOAT_BYTES,
    LanePlan,
    Layout,
    image_extent,
    plain_bytes,
    plan_lanes,
    plan_memory,
)
from signbin.native import _signbin
from signbin.plan import Plan
from signbin.runtime.row_steps import ROW_STEPS
from signbin.runtime.step import POINT, Step, chain, flat
from signbin.runtime.weights import native_weight

__all__ = ["build_program", "values_bytes"]

Floats = NDArray[np.float32]

_WINDOW: Final = {
    "kernel": (1, 1),
    "stride": (1, 1),
    "padding": (0, 0, 0, 0),
    "dilation": (1, 1),
}
_SHARES: Final = 2**24  # parts of 1 that the shares of numbers count
# Values of the batch lie side by side, whatever their type: each begins where any may.
_BATCH_ALIGNMENT: Final = FLOAT_BYTES


def build_program(
    graph: Graph, plan: Plan, isa: str, threads: int = 1, *, jit: bool = False
) -> tuple[_signbin.Program, Mapping[str, int]]:
    """The native program, and the number of every value in it by name.

    graph: verified; its outputs are values that nodes compute. Values lie as
    layout.plan_lanes says, where layout.plan_memory says. jit: machine code is made for the layers
    whose plan says so. ExecutionError names the node that the native library refuses.
    """
    _expect_ports(graph)
    room = _plan_room(graph, isa)
    try:
        builder = _signbin.Builder(isa, room.arena_bytes, room.batch_bytes, threads, jit)
    except _signbin.StatusError as error:
        raise ExecutionError(f"program of {graph.name} ({error})") from error
    values = _add_values(builder, graph, room)
    for node in graph.nodes:
        step = Step(builder, graph, node, values, plan, node.name in room.lanes.whole_batch)
        try:
            _STEPS.get(node.op, _add_direct)(step)
        except _signbin.StatusError as error:
            raise ExecutionError(f"{node.op} {node.name} cannot be built ({error})") from error
    try:
        return builder.finish(), values
    except _signbin.StatusError as error:
        raise ExecutionError(f"program of {graph.name} ({error})") from error


def _expect_ports(graph: Graph) -> None:
    given = {value.name for value in graph.inputs}
    for name in graph.outputs:
        if name in given:
            raise ExecutionError(
                f"output {name} of graph {graph.name}",
                value="an input",
                allowed="outputs that a node computes",
            )
    if max(len(graph.inputs), len(graph.outputs)) > _signbin.MAX_PORTS:
        raise ExecutionError(
            f"graph {graph.name}",
            value=f"{len(graph.inputs)} inputs, {len(graph.outputs)} outputs",
            allowed=f"at most {_signbin.MAX_PORTS} of each",
        )


def values_bytes(graph: Graph, isa: str, code_bytes: int | None = None) -> int:
    """Bytes of the values of one image, laid out and placed as :func:`build_program` does.

    What a program needs beside its weights, but for the scratch of its kernels. isa: of this
    machine or another; code_bytes: of a code there, None for here.
    """
    room = _plan_room(graph, isa, code_bytes)
    return room.arena_bytes + room.batch_bytes


@dataclasses.dataclass(frozen=True)
class _Room:
    """Layouts and places of all values that are not the caller's; sizes in bytes."""

    lanes: LanePlan
    places: Mapping[str, tuple[_signbin.Place, int]]
    arena_bytes: int
    batch_bytes: int


def _plan_room(graph: Graph, isa: str, code_bytes: int | None = None) -> _Room:
    """Values of one image at a time share the arena; those of the batch lie side by side."""
    code_bytes = code_bytes or _signbin.type_bytes("u8")
    lanes = {dtype: _signbin.isa_lanes(isa, dtype) for dtype in ("f32", "u8")}
    plan = plan_lanes(graph, lanes["f32"], lanes["u8"], code_bytes)
    sizes: dict[str, int] = {}
    places = {value.name: (_signbin.Place.INPUT, 0) for value in graph.inputs}
    places.update(dict.fromkeys(graph.outputs, (_signbin.Place.OUTPUT, 0)))
    outside = set(places)
    batch_bytes = 0
    for name, layout in plan.layouts.items():
        size = plain_bytes(graph.type_of(name), code_bytes) if layout is None else layout.size_bytes
        if name in plan.batch:
            places[name] = (_signbin.Place.BATCH, batch_bytes)
            batch_bytes += -(-size // _BATCH_ALIGNMENT) * _BATCH_ALIGNMENT
        elif name not in outside:
            sizes[name] = size
    memory = plan_memory(graph, sizes)
    places.update({name: (_signbin.Place.ARENA, at) for name, at in memory.offsets.items()})
    return _Room(plan, places, memory.arena_bytes, batch_bytes)


def _add_values(builder: _signbin.Builder, graph: Graph, room: _Room) -> dict[str, int]:
    """Every value of the graph with its place and layout; the caller's come first, in order."""
    numbers = dict.fromkeys(room.lanes.layouts, 0)
    ports = (*(value.name for value in graph.inputs), *graph.outputs)
    types = graph.types()
    for name in dict.fromkeys((*ports, *numbers)):
        layout, type_ = room.lanes.layouts[name], types[name]
        shape, codes = image_extent(type_), _codes(type_)
        place, offset = room.places[name]
        form, fill = (None, 0.0) if layout is None else (_form(layout), layout.fill)
        try:
            numbers[name] = builder.add_value(shape, place, offset, form, fill, codes)
        except _signbin.StatusError as error:
            raise ExecutionError(f"value {name} cannot be built ({error})") from error
    return numbers


def _form(layout: Layout) -> tuple[int, ...]:
    blocks = (layout.lanes, layout.blocks_y, layout.blocks_x)
    block = (layout.block_height, layout.block_width)
    return (*blocks, *block, *dataclasses.astuple(layout.halo), layout.pitch)


def _codes(type_: TensorType) -> tuple[int, int] | None:
    """Zero point and largest code; None for float32."""
    spec = type_.quantization
    return None if spec is None else (spec.zero_point, spec.top)


def _conv2d(step: Step) -> None:
    attributes = step.attributes
    kernel = step.graph.constants[attributes["weight"].name].shape[2:]
    window = (
        *kernel,
        *attributes["stride"],
        *margins(attributes["padding"]),
        *attributes["dilation"],
    )
    weight = native_weight(step.graph, step.node, step.plan)
    step.builder.add_conv2d(
        step.source, step.target, window, attributes["groups"], weight, step.epilogue()
    )


def _linear(step: Step) -> None:
    weight = native_weight(step.graph, step.node, step.plan)
    rows = math.prod(step.node.type.shape[1:-1])
    step.builder.add_linear(
        step.source, step.target, weight, step.epilogue(), rows, step.whole_batch
    )


def _batch_norm(step: Step) -> None:
    scale, bias, mean, variance = (
        step.graph.array(step.attributes[name]).astype(np.float64)
        for name in ("scale", "bias", "mean", "variance")
    )
    factor = scale / np.sqrt(variance + step.attributes["epsilon"])
    epilogue = _signbin.Epilogue(bias=flat(bias - mean * factor))
    step.add("elementwise", scale=flat(factor), epilogue=epilogue)


def _elementwise(step: Step) -> None:
    """An operation that an epilogue holds all of."""
    step.add("elementwise", scale=step.scale(), epilogue=step.epilogue())


def _subtract(step: Step) -> None:
    """x - y as (-1) * y + x."""
    first, second = (step.values[name] for name in step.node.inputs)
    constants = None if step.given is None else requantization(step.graph, step.node)
    epilogue = _signbin.Epilogue(residual=first, **({} if constants is None else chain(constants)))
    channels = step.node.type.shape[1]
    scale = np.full(channels, -1.0, np.float32) if constants is None else constants.scale
    step.builder.add_direct("elementwise", second, step.target, scale=scale, epilogue=epilogue)


def _multiply(step: Step) -> None:
    """The larger operand is the input, the other its factor."""
    large, small = step.node.inputs
    if step.graph.type_of(large).shape != step.node.type.shape:
        large, small = small, large
    epilogue = _signbin.Epilogue(residual=step.values[small])
    step.builder.add_direct(
        "multiply", step.values[large], step.target, scale=step.scale(), epilogue=epilogue
    )


def _unary(step: Step) -> None:
    """Under the function's own name; on codes by a table."""
    if step.given is not None:
        step.add("look_up", table=requantization(step.graph, step.node).table)
        return
    function = step.attributes["function"]
    takes_alpha = FUNCTIONS[function].takes_alpha
    step.add(function, real=(step.attributes["alpha"],) if takes_alpha else ())


def _global_avg_pool(step: Step) -> None:
    _, height, width = image_extent(step.graph.type_of(step.node.inputs[0]))
    step.add("avg_pool2d", (height, width, *POINT[2:]), scale=step.scale(), whole=(1,))


def _quantize(step: Step) -> None:
    spec = step.node.type.quantization
    assert spec is not None
    step.add("quantize", real=(float(spec.inverse_scale),))


def _dequantize(step: Step) -> None:
    assert step.given is not None
    step.add("dequantize", real=(step.given.scale,))


def _concat(step: Step) -> None:
    parts = [step.graph.type_of(name) for name in step.node.inputs]
    same = all(part.quantization == step.node.type.quantization for part in parts)
    chains = (
        [] if same else [requantization(step.graph, step.node, part) for part in range(len(parts))]
    )
    factors = tuple(float(chain.scale[0]) for chain in chains)
    more = tuple(step.values[name] for name in step.node.inputs[1:])
    step.add("channels", whole=(0, 1), real=factors, more=more)


def _slice_channels(step: Step) -> None:
    step.add("channels", whole=(step.attributes["first"], 1))


def _channel_shuffle(step: Step) -> None:
    step.add("channels", whole=(0, step.attributes["groups"]))


def _resample(step: Step, tables: tuple[Table, Table], fill: float = 0.0) -> None:
    """Pixels by tables of rows and columns; a fill in codes where the input holds some."""
    whole = (1, 1, 1, 1, *(int(place) for table in tables for place in table))
    step.add("resample", whole=whole, real=(fill,))


def _pad(step: Step) -> None:
    value = step.attributes["value"]
    fill = value if step.given is None else float(fill_code(value, step.given))
    _resample(step, pad_tables(arguments_of(step.graph, step.node)), fill)


def _resize_nearest(step: Step) -> None:
    _resample(step, nearest_tables(arguments_of(step.graph, step.node)))


def _resize_linear(step: Step) -> None:
    """Between rows and columns; shares are whole numbers of small parts."""
    parts = _SHARES if step.given is None else CODE_SHARES
    tables = linear_tables(arguments_of(step.graph, step.node))
    places = (table.rows for table in tables)
    shares = (np.rint(table.shares * parts) for table in tables)
    step.add("blend", whole=tuple(int(n) for each in (*places, *shares) for n in each))


def _depth_to_space(step: Step) -> None:
    """Rows and columns of the image that blocks of channels are."""
    down, across = step.attributes["block"]
    top, left, _, _ = margins(step.attributes["crop"])
    _, _, height, width = step.node.type.shape
    tables = (*range(top, top + height), *range(left, left + width))
    step.add("resample", whole=(down, across, 1, 1, *tables), real=(0.0,))


def _space_to_depth(step: Step) -> None:
    _, _, height, width = step.graph.type_of(step.node.inputs[0]).shape
    whole = (1, 1, *step.attributes["block"], *range(height), *range(width))
    step.add("resample", whole=whole, real=(0.0,))


def _add_direct(step: Step) -> None:
    """An operation that has kernels of its own name.

    What it states of a window goes into the window; its other whole and real numbers go along in
    the order of the op table.
    """
    stated = step.attributes
    if "padding" in stated:
        stated["padding"] = margins(stated["padding"])
    window = tuple(number for name, unset in _WINDOW.items() for number in stated.pop(name, unset))
    parts = (value if isinstance(value, tuple) else (value,) for value in stated.values())
    numbers = [part for parts_of_one in parts for part in parts_of_one]
    whole = tuple(int(number) for number in numbers if isinstance(number, int))
    real = tuple(number for number in numbers if isinstance(number, float))
    step.add(step.node.op, window, scale=step.scale(), whole=whole, real=real)


_STEPS: Final[Mapping[str, Callable[[Step], None]]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "clamp", "add", "channel_bias"), _elementwise),
    "subtract": _subtract,
    "multiply": _multiply,
    "unary": _unary,
    "concat": _concat,
    "slice_channels": _slice_channels,
    "pad": _pad,
    "resize_nearest": _resize_nearest,
    "resize_linear": _resize_linear,
    "depth_to_space": _depth_to_space,
    "space_to_depth": _space_to_depth,
    "channel_shuffle": _channel_shuffle,
    "global_avg_pool": _global_avg_pool,
    **ROW_STEPS,
    "quantize": _quantize,
    "dequantize": _dequantize,
}
"""Operations that are not built as a direct step of their own name."""
