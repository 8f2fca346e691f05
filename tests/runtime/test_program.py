"""Programs against the interpreter, and what they refuse."""

import concurrent.futures
import copy
import multiprocessing
import pickle
import sys

import numpy as np
import pytest

from signbin import native
from signbin.artifact import Artifact
from signbin.errors import ExecutionError, FormatError, PlanError, SignbinError, VerifyError
from signbin.ir import interpret
from signbin.plan import Strategy, Target, make_plan
from signbin.runtime import Program

ISAS = ["auto", "scalar", "portable"]


def relative_error(actual, expected):
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


@pytest.mark.parametrize("strategy", [None, Strategy.DENSE, Strategy.BUCKET])
@pytest.mark.parametrize("isa", ISAS)
def test_every_value_agrees_with_the_interpreter(artifact, images, isa, strategy):
    program = Program(artifact, isa=isa, strategy=strategy)
    expected = interpret(artifact.graph, {"x": images})
    traced = program.trace(images)
    assert list(traced) == ["x", *(node.name for node in artifact.graph.nodes)]
    for name, value in expected.items():
        assert relative_error(traced[name], value) < 1e-5, name
    output = artifact.graph.outputs[0]
    np.testing.assert_array_equal(program(images), traced[output])


@pytest.mark.parametrize("isa", ["scalar", "portable"])
def test_a_forced_instruction_set_runs_none_above_it(artifact, isa):
    program = Program(artifact, isa=isa)
    assert program.isa == isa
    assert list(program.kernels) == [node.name for node in artifact.graph.nodes]
    ran = {kernel.rpartition("__")[2] for kernel in program.kernels.values()}
    assert isa in ran
    assert ran <= set(native.isas()[1 : native.isas().index(isa) + 1])


@pytest.mark.parametrize("strategy", [Strategy.DENSE, Strategy.BUCKET])
def test_a_forced_strategy_runs_wherever_it_can_serve(artifact, strategy):
    program = Program(artifact, strategy=strategy)
    low_bit = [layer for layer in program.plan.layers if layer.value_set != "float"]
    for layer in low_bit:
        assert layer.strategy is strategy
        assert f"_{strategy.value}_" in program.kernels[layer.layer]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_image_has_the_same_output_in_any_batch(artifact, images, batch):
    program = Program(artifact)
    together = program(images[:batch])
    assert together.shape == (batch, 10)
    assert together.dtype == np.float32
    alone = np.concatenate([program(images[n : n + 1]) for n in range(batch)])
    np.testing.assert_array_equal(together, alone)


def test_threads_share_one_program(artifact, images):
    program = Program(artifact)
    expected = {batch: program(images[:batch]) for batch in range(1, 6)}

    def run(index):
        batch = index % 5 + 1
        return batch, program(images[:batch])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for batch, output in pool.map(run, range(200)):
            np.testing.assert_array_equal(output, expected[batch])


def test_inputs_are_cast_and_made_contiguous_but_never_changed(artifact, images):
    program = Program(artifact)
    expected = program(images)
    given = images.copy()
    np.testing.assert_array_equal(program(images.astype(np.float64)), expected)
    np.testing.assert_array_equal(program(np.asfortranarray(images)), expected)
    np.testing.assert_array_equal(program(images[::-1])[::-1], expected)
    given.setflags(write=False)
    np.testing.assert_array_equal(program(given), expected)
    np.testing.assert_array_equal(given, images)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((3, 13, 17), np.float32), r"shape of input x.*\(N, 3, 13, 17\).*\[None\]"),
        (np.zeros((1, 3, 17, 13), np.float32), r"\(1, 3, 17, 13\)"),
        (np.zeros((0, 3, 13, 17), np.float32), "N >= 1"),
        (np.zeros((1, 663), np.float32), "shape of input x"),
        (np.zeros((1, 3, 13, 17), np.uint8), "dtype of input x: got 'uint8'.*ModelCard"),
        (np.zeros((1, 3, 13, 17), np.complex64), "complex64"),
        (np.zeros((1, 3, 13, 17), object), "object"),
        ([[0.0]], "list.*numpy"),
        (None, "NoneType"),
    ],
)
def test_an_input_that_does_not_fit_says_what_does(artifact, bad, words):
    with pytest.raises(ExecutionError, match=words):
        Program(artifact)(bad)


def test_bad_pixels_reach_every_output_and_no_other_image(artifact, images):
    images = images.copy()
    images[1, 0, 5, 5] = np.nan
    output = Program(artifact)(images)
    assert np.isnan(output[1]).all()
    assert np.isfinite(np.delete(output, 1, axis=0)).all()


@pytest.mark.parametrize("isa", ["avx9", "", "PORTABLE"])
def test_an_unknown_instruction_set_names_the_choices(artifact, isa):
    with pytest.raises(ExecutionError, match="auto, scalar, portable"):
        Program(artifact, isa=isa)


def test_a_saved_program_is_the_same_program(artifact, images, tmp_path):
    program = Program(artifact)
    path = tmp_path / "net.sbn"
    program.save(path)
    for isa in ISAS:
        loaded = Program.load(path, isa=isa)
        assert relative_error(loaded(images), program(images)) < 1e-5
    assert Program.load(path).plan == program.plan
    with pytest.raises(SignbinError, match="overwrite"):
        program.save(path)
    program.save(path, overwrite=True)


def test_a_program_comes_back_from_its_bytes(artifact, images, tmp_path):
    program = Program(artifact, isa="portable")
    program.save(tmp_path / "m.sbn")
    data = program.to_bytes()
    assert data == (tmp_path / "m.sbn").read_bytes()
    for given in (data, bytearray(data), memoryview(data)):
        again = Program.from_bytes(given, isa="portable")
        np.testing.assert_array_equal(again(images), program(images))


@pytest.mark.parametrize("data", ["m.sbn", None, 3])
def test_what_is_no_bytes_is_a_format_error(data):
    with pytest.raises(FormatError, match=r"Program\.load for a path"):
        Program.from_bytes(data)


def test_damaged_bytes_are_a_format_error(artifact):
    data = bytearray(Program(artifact).to_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(FormatError, match="checksum"):
        Program.from_bytes(data)


def test_a_program_is_pickled_with_all_that_was_asked_of_it(artifact, images):
    program = Program(artifact, isa="scalar", strategy=Strategy.BUCKET, threads=2, jit=False)
    again = pickle.loads(pickle.dumps(program))
    assert (again.isa, again.threads, again.plan) == (program.isa, 2, program.plan)
    np.testing.assert_array_equal(again(images), program(images))


def test_a_copy_is_the_program_itself(artifact):
    program = Program(artifact)
    assert copy.copy(program) is program
    assert copy.deepcopy({"model": program})["model"] is program


def test_another_process_runs_a_program_it_was_sent(artifact, images):
    program = Program(artifact)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(program, (images,)), program(images))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_tensors_of_pytorch_go_in_and_come_out(artifact, images, dtype):
    torch = pytest.importorskip("torch")
    program = Program(artifact)
    tensor = torch.from_numpy(images).to(getattr(torch, dtype))
    expected = program(tensor.numpy())
    np.testing.assert_array_equal(program(tensor), expected)
    strided = tensor.to(memory_format=torch.channels_last)
    np.testing.assert_array_equal(program(strided), expected)
    output = program(tensor)
    shared = torch.from_dlpack(output)
    shared[0, 0] = 7
    assert output[0, 0] == 7


def test_a_tensor_that_dlpack_cannot_hand_on_says_what_to_do(artifact, images):
    torch = pytest.importorskip("torch")
    program, tensor = Program(artifact), torch.from_numpy(images)
    for bad in (tensor.clone().requires_grad_(), tensor.to(torch.bfloat16)):
        with pytest.raises(ExecutionError, match=r"x\.detach\(\)\.float\(\)"):
            program(bad)
    with pytest.raises(ExecutionError, match=r"device of input x.*x\.cpu\(\)"):
        program(tensor.to("meta"))


def test_a_plan_for_this_machine_is_kept_and_another_is_made_anew(artifact):
    portable = Program(artifact, isa="portable").plan
    hinted = Artifact(artifact.graph, portable)
    assert Program(hinted, isa="portable").plan is portable
    assert Program(hinted, isa="scalar").plan != portable
    assert Program(hinted, isa="portable", strategy=Strategy.DENSE).plan != portable


def test_a_program_planned_for_many_images_takes_other_kernels_for_rows_and_says_the_same(
    graph_maker,
):
    make = graph_maker(256)
    weight = make.low_bit("ternary", 256, 256)
    graph = make.graph(make.node("linear", ["x"], (256,), weight=weight))
    one, many = Program(Artifact(graph)), Program(Artifact(graph), images=64)
    target = Target.from_cpu(native.cpu(), many.isa)
    assert many.plan == make_plan(graph, native.kernels(), target, images=64)
    rows = np.random.default_rng(1).normal(size=(64, 256)).astype(np.float32)
    assert relative_error(many(rows), one(rows)) < 1e-5
    again = pickle.loads(pickle.dumps(many))
    assert again.plan == many.plan
    assert Program(Artifact(graph, one.plan), images=64).plan == many.plan


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, 10**7])
def test_images_per_call_are_a_positive_whole_number(artifact, bad):
    with pytest.raises(ExecutionError, match="images per call"):
        Program(artifact, images=bad)


def test_a_file_that_is_no_model_is_a_format_error(tmp_path):
    path = tmp_path / "broken.sbn"
    path.write_bytes(b"not a model")
    with pytest.raises(FormatError):
        Program.load(path)


def test_a_strategy_that_serves_no_layer_is_a_plan_error(graph_maker):
    make = graph_maker(4)
    weight = make.constant(make.rng.normal(0, 1, (3, 4)))
    graph = make.graph(make.node("linear", ["x"], (3,), weight=weight))
    with pytest.raises(PlanError, match="bucket"):
        Program(Artifact(graph), strategy=Strategy.BUCKET)


def test_a_graph_that_breaks_the_rules_is_not_built(graph_maker):
    make = graph_maker(4, 2, 2)
    graph = make.graph(make.node("relu", ["x"], (4, 3, 2)))
    with pytest.raises(VerifyError):
        Program(Artifact(graph))


def test_a_batch_beyond_memory_is_an_error_and_not_a_crash(artifact):
    program = Program(artifact)
    image = np.zeros((1, 3, 13, 17), np.float32)
    endless = np.lib.stride_tricks.as_strided(image, (2**40, 3, 13, 17), (0, *image.strides[1:]))
    with pytest.raises(ExecutionError, match="smaller batch"):
        program(endless)


def test_the_arena_holds_at_least_the_largest_step(artifact):
    program = Program(artifact)
    assert program.arena_bytes >= 4 * (8 * 13 * 17) * 2


def test_a_program_prints_what_it_is(artifact):
    assert "f32[N,3,13,17]" in repr(Program(artifact, isa="scalar"))
    assert "isa=scalar" in repr(Program(artifact, isa="scalar"))


def test_a_missing_native_library_names_the_remedy(artifact, monkeypatch):
    monkeypatch.setitem(sys.modules, "signbin.native._signbin", None)
    monkeypatch.delattr("signbin.native._signbin", raising=False)
    with pytest.raises(ExecutionError, match=r"native library.*pip install"):
        Program(artifact)
