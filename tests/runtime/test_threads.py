"""Threads, batches and times of a program."""

import concurrent.futures
import os

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.runtime import Program

ISAS = ["auto", "scalar", "portable"]


THREADS = [
    pytest.param(threads, marks=[] if threads in (2, 3, 8) else pytest.mark.wide)
    for threads in range(2, 9)
]


@pytest.fixture(scope="module", params=ISAS)
def alone(request, artifact):
    """(instruction set, program of one thread)."""
    return request.param, Program(artifact, isa=request.param)


@pytest.mark.parametrize("threads", THREADS)
def test_any_number_of_threads_gives_the_same_bits(artifact, images, alone, threads):
    isa, single = alone
    together = Program(artifact, isa=isa, threads=threads)
    assert together.threads == threads
    for batch in (1, 2, 5):
        np.testing.assert_array_equal(together(images[:batch]), single(images[:batch]))
    expected = single.trace(images)
    for name, value in together.trace(images).items():
        np.testing.assert_array_equal(value, expected[name])


def test_callers_at_once_share_a_program_with_threads(artifact, images):
    program = Program(artifact, threads=3)
    expected = Program(artifact)(images)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for output in pool.map(lambda _: program(images), range(60)):
            np.testing.assert_array_equal(output, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_runs_without_the_threads_it_left_behind(artifact, images):
    program = Program(artifact, threads=2)
    expected = program(images)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(program(images), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("threads", [0, -1, 65, 2.0, True, None])
def test_a_number_of_threads_that_is_none_names_the_range(artifact, threads):
    with pytest.raises(ExecutionError, match=r"threads.*1\.\.64"):
        Program(artifact, threads=threads)


def test_threads_are_given_when_a_file_is_loaded(artifact, images, tmp_path):
    program = Program(artifact)
    program.save(tmp_path / "net.sbn")
    loaded = Program.load(tmp_path / "net.sbn", threads=2)
    assert loaded.threads == 2
    np.testing.assert_array_equal(loaded(images), program(images))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_profile_times_every_node_with_its_kernel(artifact, images, threads):
    program = Program(artifact, threads=threads)
    profile = program.profile(images)
    assert {entry.name: entry.kernel for entry in profile} == dict(program.kernels)
    assert [entry.name for entry in profile] == [node.name for node in artifact.graph.nodes]
    assert all(0 < entry.ms < 1000 for entry in profile)


def test_batches_only_add_the_values_of_linear_layers(artifact):
    native = Program(artifact)._native
    per_image = native.arena_bytes(101) - native.arena_bytes(1)
    assert 0 < per_image <= 100 * 4 * (12 + 20) + 64
