"""Programs that take other sizes than the one they were compiled for; images of bytes."""

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from PIL import Image

from signbin.artifact import Artifact, decode, encode
from signbin.calibrate import QuantizedActivations
from signbin.errors import ExecutionError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, interpret, with_extents
from signbin.runtime import Program, load_image
from signbin.runtime.sizes import MOST_KEPT, KeptSizes
from signbin.spec import LowBitWeight, Preprocessing
from signbin.verbs.compile import quantize_program

ISAS = ["auto", "scalar"]


def network(height=8, width=6) -> Graph:
    """Low-bit and float convolutions with a shortcut over a pooled and enlarged map."""
    rng = np.random.default_rng(0)
    codes = (rng.random((16, 4, 3, 3)) < 0.4).astype(np.int8)
    constants = {
        "a.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "b.weight": LowBitWeight(codes, np.full(16, 0.25, np.float32)),
        "c.weight": rng.normal(size=(4, 16, 1, 1)).astype(np.float32),
    }

    def of(channels, size=(height, width)):
        return TensorType("f32", (BATCH, channels, *size))

    half = (height // 2, width // 2)
    pad = {"padding": (1, 1)}
    pool = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    nodes = (
        Node("a", "conv2d", ("x",), {"weight": ConstRef("a.weight"), **pad}, of(4)),
        Node("b", "conv2d", ("a",), {"weight": ConstRef("b.weight"), **pad}, of(16)),
        Node("pooled", "max_pool2d", ("b",), pool, of(16, half)),
        Node("large", "resize_nearest", ("pooled",), {"size": (height, width)}, of(16)),
        Node("sum", "add", ("b", "large"), {}, of(16)),
        Node("c", "conv2d", ("sum",), {"weight": ConstRef("c.weight")}, of(4)),
    )
    value = Value("x", of(3), free=(2, 3))
    return Graph("net", (value,), nodes, ("c",), constants)


def images(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(8, 6), (2, 2), (20, 34), (64, 2)])
def test_every_size_computes_what_the_interpreter_does_of_the_same_graph(isa, size):
    program, x = Program(Artifact(network()), isa=isa), images(2, 3, *size)
    expected = interpret(with_extents(network(), {"x": (3, *size)}), {"x": x})["c"]
    # Sums of at most 144 float32 products.
    np.testing.assert_allclose(program(x), expected, rtol=1e-4, atol=1e-4)
    assert program.trace(x)["b"].shape == (2, 16, *size)
    assert len(program.profile(x)) == 6


def test_codes_are_exact_at_every_size():
    program = quantize_program(
        Program(Artifact(network())), QuantizedActivations(images(8, 3, 8, 6))
    )
    for size in ((8, 6), (18, 22)):
        x = images(2, 3, *size)
        graph = with_extents(program.graph, {"x": (3, *size)})
        expected, found = interpret(graph, {"x": x}), program.trace(x)
        for node in graph.nodes:
            if node.type.dtype == "u8":
                np.testing.assert_array_equal(found[node.name], expected[node.name])


def test_the_free_axes_are_kept_in_the_file_and_where_it_is_unpickled():
    program, x = Program(Artifact(network())), images(1, 3, 12, 10)
    again = decode(encode(program.artifact))
    assert again.graph.inputs[0].free == (2, 3)
    for other in (Program(again), pickle.loads(pickle.dumps(program))):
        np.testing.assert_array_equal(other(x), program(x))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 7, 6), r"size of the inputs: .*cannot take it: node %sum \(add\)"),
        ((1, 4, 8, 6), r"allowed: \(N, 3, any, any\)"),
        ((3, 9, 9), r"add the batch axis"),
        ((1, 3, 0, 6), r"allowed: \(N, 3, any, any\)"),
        ((1, 3, 1, 1), r"cannot take it"),
    ],
)
def test_a_size_that_a_node_cannot_take_is_refused_by_its_name(shape, words):
    with pytest.raises(ExecutionError, match=words):
        Program(Artifact(network()))(images(*shape))


def test_a_network_of_one_size_says_how_it_takes_others():
    fixed = Program(Artifact(with_no_free_axis(network())))
    with pytest.raises(ExecutionError, match="free_sizes=True"):
        fixed(images(1, 3, 10, 10))


def with_no_free_axis(graph):
    value = Value("x", graph.inputs[0].type)
    return Graph(graph.name, (value,), graph.nodes, graph.outputs, graph.constants)


def test_only_the_last_sizes_are_kept():
    made, kept = [], KeptSizes()

    def make(extents):
        made.append(extents)
        return len(made)

    sizes = [((3, size, size),) for size in range(MOST_KEPT + 1)]
    for size in (*sizes, sizes[-1]):
        kept.of(size, make)
    assert len(kept) == MOST_KEPT
    assert made == sizes
    kept.of(sizes[0], make)
    assert made == [*sizes, sizes[0]]


def test_a_program_is_freed_with_its_last_reference_whatever_sizes_it_has_run():
    """Its weights and threads are large: they do not wait for a garbage collection."""
    program = Program(Artifact(network()))
    program(images(1, 3, 10, 10))
    gone = weakref.ref(program)
    gc.disable()
    try:
        del program
        assert gone() is None
    finally:
        gc.enable()


def test_threads_that_ask_for_many_sizes_at_once_get_their_own():
    program = Program(Artifact(network()))
    wanted = {size: program(images(1, 3, size, size)) for size in range(2, 18, 2)}
    wrong = []

    def ask(start):
        for turn in range(8):
            size = 2 + 2 * ((start + turn) % 8)
            if not np.array_equal(program(images(1, 3, size, size)), wanted[size]):
                wrong.append(size)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


HOW = Preprocessing(3, 8, 6, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))


@pytest.mark.parametrize("last", [False, True], ids=["NCHW", "NHWC"])
def test_images_of_bytes_are_prepared_as_image_files_are(tmp_path, last):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    program = Program(Artifact(network(), preprocessing=HOW))
    expected = program(load_image(tmp_path / "image.png", HOW)[None])
    given = pixels[None] if last else pixels.transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(program(given), expected)


def test_images_of_bytes_may_be_of_any_size_where_sizes_are_free():
    program = Program(Artifact(network(), preprocessing=HOW))
    pixels = np.random.default_rng(2).integers(0, 256, (2, 16, 10, 3), dtype=np.uint8)
    scaled = (pixels.astype(np.float32) / np.float32(255) - np.float32(HOW.mean)) / np.float32(
        HOW.std
    )
    np.testing.assert_array_equal(program(pixels), program(scaled.transpose(0, 3, 1, 2)))


def test_bytes_without_a_word_on_how_they_are_scaled_are_refused():
    with pytest.raises(ExecutionError, match="ModelCard whose preprocessing"):
        Program(Artifact(network()))(np.zeros((1, 3, 8, 6), np.uint8))
    with pytest.raises(ExecutionError, match=r"allowed: float32.*or uint8 images"):
        Program(Artifact(network(), preprocessing=HOW))(np.zeros((1, 3, 8, 6), np.int64))
