"""Who watches an exported network sees every image that the interpreter computes, code by code."""

from pathlib import Path

import numpy as np
import pytest

from signbin.c_source import CompiledNetwork, Golden, Network, write_network, write_project
from signbin.errors import ExecutionError
from signbin.ir import Graph, interpret
from tests.c_source.conftest import small_graph
from tests.c_source.test_builds import CORTEX_M, STRICT, needs, run

pytestmark = needs("cc")


def compiled(graph: Graph, network: Network) -> CompiledNetwork:
    images = np.zeros((1, 3, 16, 16), np.float32)
    outputs = interpret(graph, {"images": images})[graph.outputs[0]].reshape(1, -1)
    files = write_project(network, Golden(images, outputs))
    return CompiledNetwork(files, network.name, network.outputs)


def test_every_image_is_shown_as_it_was_made_though_later_ones_take_its_place() -> None:
    graph = small_graph()
    network = write_network(graph, "small", watch=True)
    built = compiled(graph, network)
    images = np.random.default_rng(5).normal(0, 2, (4, 3, 16, 16)).astype(np.float32)
    values = interpret(graph, {"images": images})
    assert len(network.watched) == len(set(network.watched)) >= 8
    assert sum(values[name][0].size for name in network.watched) > network.arena.size_bytes // 2
    shapes = {name: values[name].shape[1:] for name in network.watched}
    for i, image in enumerate(images):
        shown = built.trace(image, shapes)
        for name in network.watched:
            np.testing.assert_array_equal(shown[name], values[name][i], err_msg=name)


def test_who_does_not_watch_gets_the_same_outputs() -> None:
    graph = small_graph()
    images = np.random.default_rng(6).normal(0, 2, (3, 3, 16, 16)).astype(np.float32)
    plain, watched = (
        compiled(graph, write_network(graph, "small", watch=watch))(images)
        for watch in (False, True)
    )
    np.testing.assert_array_equal(plain, watched)


def test_without_watch_nothing_is_written_for_it_and_the_error_says_how_to_get_it() -> None:
    graph = small_graph()
    network = write_network(graph, "small")
    assert network.watched == ()
    assert "watch" not in network.source + network.header
    with pytest.raises(ExecutionError, match="--watch"):
        compiled(graph, network).trace(np.zeros((3, 16, 16), np.float32), {})


@needs("arm-none-eabi-gcc")
def test_microcontrollers_can_be_watched_and_compilers_say_nothing(tmp_path: Path) -> None:
    graph = small_graph()
    network = write_network(graph, "small", ("a", "b"), watch=True)
    files = write_project(network, Golden(*(np.zeros((1, 6), np.float32),) * 2))
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    (tmp_path / "main.c").write_text(
        '#include "small.h"\n'
        "static const char *const names[SMALL_WATCHED] = {SMALL_WATCHED_NAMES};\n"
        "static small_memory memory;\n"
        "static uint8_t codes[16 * 16 * 12];\n"
        "static void show(void *context, uint32_t which, const sbc_image *image,\n"
        "                 const uint32_t *words) {\n"
        "    *(const char **)context = names[which];\n"
        "    sbc_flatten(image, words, codes);\n"
        "}\n"
        "const char *last(const float *input, float *output) {\n"
        "    const char *found = 0;\n"
        "    small_run_watched(&memory, input, output, show, &found);\n"
        "    return found;\n"
        "}\n",
        encoding="utf-8",
    )
    for source in (tmp_path / "main.c", tmp_path / "src" / "small.c"):
        flags = [*CORTEX_M["cortex-m4"], *STRICT, "-O2", f"-I{tmp_path / 'src'}"]
        run(["arm-none-eabi-gcc", *flags, "-c", str(source), "-o", str(tmp_path / "out.o")])
