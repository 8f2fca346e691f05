"""A graph as one C source and header, with what it takes of a microcontroller."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Final

from signbin.c_source.arena import Arena, plan_arena
from signbin.c_source.images import Image, lay_images
from signbin.c_source.literals import plain
from signbin.c_source.sizes import Sizes, sizes_of
from signbin.c_source.steps import write_node
from signbin.c_source.writer import Scratch, Writer
from signbin.errors import SpecError
from signbin.ir import Graph

__all__ = ["Network", "write_network"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_UNWATCHED: Final = """void {name}_run({name}_memory *memory, const float *input, float *output) {{
    {name}_run_watched(memory, input, output, 0, 0);
}}
"""
_KEYWORDS: Final = frozenset(
    re.findall(
        "[a-z]+",
        "auto break case char const continue default do double else enum extern float for goto if "
        "inline int long register restrict return short signed sizeof static struct switch typedef "
        "union unsigned void volatile while main sbc",
    )
)


@dataclasses.dataclass(frozen=True)
class Network:
    """What was written.

    header, source: texts of NAME.h and NAME.c. kernels: files of kernels that it calls. sizes: of
    it all; weight_bytes: of weights alone; layer_bytes: of the constants of every node. arena,
    values: where the values lie, and how large each is. inputs, outputs: numbers of a call.
    """

    name: str
    header: str
    source: str
    kernels: tuple[str, ...]
    sizes: Sizes
    scratch_bytes: int
    weight_bytes: int
    layer_bytes: Mapping[str, int]
    arena: Arena
    values: Mapping[str, int]
    inputs: int
    outputs: int
    watched: tuple[str, ...] = ()


def write_network(
    graph: Graph, name: str, class_names: tuple[str, ...] = (), *, watch: bool = False
) -> Network:
    """The graph in C; SpecError, by name, for what cannot be said.

    graph: verified and lowered, on codes. name: of the files, and what every symbol begins with.
    watch: write NAME_run_watched as well, which shows a caller every image as it is made.
    """
    _expect_name(name)
    _expect_graph(graph)
    images = lay_images(graph)
    watch = watch and bool(images)
    sizes = _sizes(graph, images)
    arena = plan_arena(graph, sizes, _renamed(graph, images))
    writer = Writer(graph, images, arena.offsets)
    watched = _write_nodes(writer, watch=watch)
    ram = arena.size_bytes + writer.scratch.size_bytes
    inputs = math.prod(graph.inputs[0].type.shape[1:])
    outputs = math.prod(graph.type_of(graph.outputs[0]).shape[1:])
    kernels = tuple(sorted(writer.kernels | {"moving.c"}))
    constants = sum(writer.layer_bytes.values())
    made = Network(
        name=name,
        header="",
        source=_source(writer, name, watch=watch),
        kernels=kernels,
        sizes=sizes_of(constants, ram, len(writer.calls), kernels),
        scratch_bytes=writer.scratch.size_bytes,
        weight_bytes=writer.weight_bytes,
        layer_bytes=dict(writer.layer_bytes),
        arena=arena,
        values=sizes,
        inputs=inputs,
        outputs=outputs,
        watched=watched,
    )
    return dataclasses.replace(made, header=_header(made, writer.scratch, class_names))


def _write_nodes(writer: Writer, *, watch: bool) -> tuple[str, ...]:
    """All nodes; behind every one that makes an image, where that is asked for, a look at it."""
    watched: list[str] = []
    for node in writer.graph.nodes:
        write_node(writer, node)
        if watch and node.name in writer.images:
            writer.look(len(watched), node.name)
            watched.append(node.name)
    return tuple(watched)


def _expect_name(name: str) -> None:
    if not _NAME.match(name) or name in _KEYWORDS:
        raise SpecError(
            "name of the exported network",
            value=name,
            allowed="a small letter, then at most 39 small letters, digits and '_'; no word of C",
            remedy="pass --name",
        )


def _expect_graph(graph: Graph) -> None:
    types = [graph.type_of(name) for name in graph.outputs]
    if len(graph.inputs) != 1 or len(types) != 1 or types[0].dtype != "f32":
        raise SpecError(
            f"inputs and outputs of {graph.name} as C",
            value=f"{len(graph.inputs)} and {len(types)}",
            allowed="one of each, of float numbers",
        )
    if graph.inputs[0].free:
        raise SpecError(
            f"input of {graph.name} as C",
            value=f"free axes {graph.inputs[0].free}",
            allowed="images of one size",
            remedy="compile without --free-sizes",
        )
    if not graph.has_codes:
        raise SpecError(
            f"activations of {graph.name} as C",
            value="float",
            allowed="8-bit codes",
            remedy="compile with --activations int8",
        )
    largest = max((extent for type_ in graph.types().values() for extent in type_.shape), default=0)
    if largest > 2**16 - 1:
        raise SpecError(
            f"extents of {graph.name} as C", value=largest, allowed=f"at most {2**16 - 1}"
        )


def _sizes(graph: Graph, images: Mapping[str, Image]) -> dict[str, int]:
    """Bytes of every value of codes, but for rows that stay where they are."""
    sizes = {}
    for node in graph.nodes:
        if node.name in images:
            sizes[node.name] = images[node.name].size_bytes
        elif node.type.dtype == "u8":
            sizes[node.name] = math.prod(node.type.shape[1:])
    return sizes


def _renamed(graph: Graph, images: Mapping[str, Image]) -> dict[str, str]:
    """Rows that are another row, made flat."""
    return {
        node.name: node.inputs[0]
        for node in graph.nodes
        if node.op == "flatten" and node.type.dtype == "u8" and node.inputs[0] not in images
    }


def _source(writer: Writer, name: str, *, watch: bool) -> str:
    scratch = "\n".join(
        f"    scratch.{each} = memory->{each};"
        for each in ("sums", "totals", "places", "offsets", "ends")
    )
    calls = "\n".join(f"    {call}" for call in writer.calls)
    needs_scratch = any("&scratch" in call for call in writer.calls)
    opening = f"    sbc_scratch scratch;\n{scratch}\n" if needs_scratch else ""
    definitions = "\n".join(writer.definitions)
    signature = _signature(name, watch=watch)
    unwatched = f"\n{_UNWATCHED.format(name=name)}" if watch else ""
    return f"""/* {name}: made by signbin; do not edit. The header says how it is used. */
#include "{name}.h"

#include "sbc.h"

{definitions}
{signature} {{
    uint32_t *const values = memory->values;
{opening}{calls}
}}
{unwatched}
uint32_t {name}_memory_bytes(void) {{
    return (uint32_t)sizeof({name}_memory);
}}
"""


def _signature(name: str, *, watch: bool) -> str:
    """Of the function that has the calls."""
    given = f"{name}_memory *memory, const float *input, float *output"
    if not watch:
        return f"void {name}_run({given})"
    return f"void {name}_run_watched({given},\n    sbc_watch watch, void *context)"


def _watched(network: Network) -> str:
    """What the header says of images that can be looked at; nothing where none can."""
    if not network.watched:
        return ""
    upper, names = network.name.upper(), ", ".join(f'"{plain(each)}"' for each in network.watched)
    return f"""
/* The same, and watch(context, which, image, words) for every image once it is made: which counts
 * in the order of NAMES. The words are the caller's to read until watch returns. */
#define {upper}_WATCHED {len(network.watched)}
#define {upper}_WATCHED_NAMES {names}
{_signature(network.name, watch=True)};
"""


def _class_names(name: str, class_names: tuple[str, ...]) -> str:
    """A macro with the names of the outputs, in order; nothing where the model has none."""
    if not class_names:
        return ""
    texts = ", ".join(f'"{plain(each)}"' for each in class_names)
    comment = "/* Names of the outputs, for an array of strings. */"
    return f"\n{comment}\n#define {name.upper()}_CLASSES {texts}\n"


def _header(network: Network, scratch: Scratch, class_names: tuple[str, ...]) -> str:
    name, upper, sizes = network.name, network.name.upper(), network.sizes
    names, watched = _class_names(name, class_names), _watched(network)
    include = '#include "sbc.h"\n' if watched else "#include <stdint.h>\n"
    words = max(network.arena.size_bytes // 4, 1)
    members = [f"    uint32_t values[{words}];"]
    kinds = {
        "sums": "uint32_t ",
        "totals": "float ",
        "places": "uint16_t ",
        "offsets": "uint16_t ",
        "ends": "uint16_t *",
    }
    for each, kind in kinds.items():
        members.append(f"    {kind}{each}[{max(getattr(scratch, each), 1)}];")
    memory = "\n".join(members)
    return f"""/* {name}: made by signbin; do not edit.
 *
 *     static {name}_memory memory;
 *     float input[{upper}_INPUTS], output[{upper}_OUTPUTS];
 *     {name}_run(&memory, input, output);
 *
 * No heap, no libm, no state between calls: the memory may be used for anything else meanwhile, and
 * each thread that calls needs one of its own. */
#ifndef {upper}_H
#define {upper}_H

{include}
#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_INPUTS {network.inputs}
#define {upper}_OUTPUTS {network.outputs}

/* In bytes: the memory below; constants; code and stack, at most, on a Cortex-M4 with -O2. */
#define {upper}_RAM_BYTES {sizes.ram}
#define {upper}_CONSTANT_BYTES {sizes.constants}
#define {upper}_CODE_BYTES {sizes.code}
#define {upper}_FLASH_BYTES {sizes.flash}
#define {upper}_STACK_BYTES {sizes.stack}

typedef struct {name}_memory {{
{memory}
}} {name}_memory;

void {name}_run({name}_memory *memory, const float *input, float *output);
uint32_t {name}_memory_bytes(void);
{watched}{names}
#ifdef __cplusplus
}}
#endif
#endif
"""
