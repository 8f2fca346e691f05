"""Programs in parts: called as any program, the same results, kept in a file."""

import concurrent.futures
import dataclasses
import pickle

import numpy as np
import pytest

import signbin
from signbin.artifact import Artifact
from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.hybrid.container import decode_parts, encode_parts
from signbin.hybrid.content import HybridContent, PartEngine
from signbin.hybrid.program import HybridProgram
from signbin.runtime import Program
from tests.hybrid.networks import run
from tests.hybrid.parts import FILTERS, IMAGE, content, low_bit_body, whole_model


def images(batch: int) -> np.ndarray:
    shape = (batch, *IMAGE)
    return np.random.default_rng(batch).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_parts_compute_what_onnx_runtime_computes_of_the_whole(batch, threads) -> None:
    program = HybridProgram(content(), threads=threads)
    expected = run(whole_model(), {"image": images(batch)})[0]
    # float32 sums of up to 27 terms of size 1, in two orders
    np.testing.assert_allclose(program(images(batch)), expected, rtol=0, atol=1e-5)


def test_a_part_of_signbin_has_the_bits_of_its_own_program() -> None:
    values = HybridProgram(content()).values(images(2))
    alone = Program(Artifact(low_bit_body()))
    np.testing.assert_array_equal(values["y"], alone(values["x"]))
    assert list(values) == ["image", "x", "y", "scores"]


def test_outputs_come_in_the_form_of_the_model() -> None:
    plain = HybridProgram(content())(images(1))
    found = HybridProgram(content({"scores": 0, "again": (0,)}))(image=images(1))
    assert list(found) == ["scores", "again"]
    np.testing.assert_array_equal(found["scores"], plain)
    np.testing.assert_array_equal(found["again"][0], plain)


@pytest.mark.parametrize(
    ("given", "named", "match"),
    [
        ((), {}, "inputs: got 'no image'"),
        ((images(1), images(1)), {}, "number of inputs: got 2; allowed: image"),
        ((images(1),), {"image": images(1)}, "input: got 'image'"),
        ((), {"other": images(1)}, "input: got 'other'"),
        ((images(1)[:, :2],), {}, r"shape of input image: got \(1, 2, 12, 10\)"),
        ((images(1).astype(np.int64),), {}, "dtype of input image: got 'int64'"),
    ],
)
def test_a_wrong_input_is_refused_by_name(given, named, match) -> None:
    with pytest.raises(ExecutionError, match=match):
        HybridProgram(content())(*given, **named)


def test_a_saved_program_is_loaded_and_computes_the_same_bits(tmp_path) -> None:
    program = HybridProgram(content())
    program.save(tmp_path / "parts.sbn")
    again = HybridProgram.load(tmp_path / "parts.sbn", threads=2)
    np.testing.assert_array_equal(again(images(2)), program(images(2)))
    assert again.network == program.network
    assert again.to_bytes() == program.to_bytes()
    with pytest.raises(FormatError, match="allowed: a path where nothing is"):
        program.save(tmp_path / "parts.sbn")


def test_each_kind_of_file_says_who_reads_it(tmp_path) -> None:
    HybridProgram(content()).save(tmp_path / "parts.sbn")
    Program(Artifact(low_bit_body())).save(tmp_path / "one.sbn")
    with pytest.raises(FormatError, match=r"got 'a network in parts'; use signbin\.load"):
        Program.load(tmp_path / "parts.sbn")
    with pytest.raises(FormatError, match=r"got 'one network'; use signbin\.load"):
        HybridProgram.load(tmp_path / "one.sbn")


def test_load_gives_the_program_that_is_in_the_file(tmp_path) -> None:
    HybridProgram(content()).save(tmp_path / "parts.sbn")
    Program(Artifact(low_bit_body())).save(tmp_path / "one.sbn")
    assert type(signbin.load(tmp_path / "parts.sbn")) is HybridProgram
    assert type(signbin.load(tmp_path / "one.sbn")) is Program
    for wrong in ("nothing.sbn", "."):
        with pytest.raises(FormatError, match="reading "):
            signbin.load(tmp_path / wrong)


def test_a_program_is_pickled_and_used_by_many_threads_at_once() -> None:
    program = pickle.loads(pickle.dumps(HybridProgram(content())))
    expected = program(images(2))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(program, [images(2)] * 20):
            np.testing.assert_array_equal(found, expected)


def test_the_profile_and_the_explanation_name_every_part() -> None:
    program = HybridProgram(content())
    times = program.profile(images(1), repeats=3)
    assert [(time.name, time.engine, time.nodes) for time in times] == [
        ("part 1", "onnxruntime", 1),
        ("part 2", "signbin", 2),
        ("part 3", "onnxruntime", 1),
    ]
    assert all(time.ms > 0 for time in times)
    assert program.explain().splitlines() == [
        "as it was asked",
        "part 1: onnxruntime, 1 node: signbin has no Cos",
        "part 2: signbin, 2 nodes: 1 of 1 layers low-bit",
        "part 3: onnxruntime, 1 node: signbin has no Sin",
    ]


def test_without_onnx_runtime_the_error_says_what_to_install(monkeypatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    with pytest.raises(ExecutionError, match=r"onnxruntime is not installed.*signbin\[fallback\]"):
        HybridProgram(content())


def test_parts_that_do_not_fit_one_another_are_refused() -> None:
    good = content()
    with pytest.raises(SpecError, match="inputs of part 1: got 'x'"):
        dataclasses.replace(good.network, parts=good.network.parts[1:])
    with pytest.raises(SpecError, match="outputs of part 4"):
        dataclasses.replace(good.network, parts=(*good.network.parts, good.network.parts[1]))
    with pytest.raises(SpecError, match="contents of the parts"):
        HybridContent(good.network, 0, good.contents[::-1][:2])
    with pytest.raises(SpecError, match="form of the outputs"):
        HybridContent(good.network, (0, 1), good.contents)


def test_a_part_that_takes_other_values_than_it_says_is_refused() -> None:
    good = content()
    parts = list(good.network.parts)
    parts[0] = dataclasses.replace(parts[0], outputs=("x", "z"))
    network = dataclasses.replace(good.network, parts=tuple(parts))
    with pytest.raises(ExecutionError, match="inputs and outputs of part 1"):
        HybridProgram(dataclasses.replace(good, network=network))


def test_what_is_written_is_read_back_equal() -> None:
    made = content()
    read = decode_parts(encode_parts(made))
    assert read.network == made.network
    assert [part.engine for part in read.network.parts].count(PartEngine.SIGNBIN) == 1
    assert read.contents[0] == made.contents[0]
    assert read.network.outputs[0].shape[1] == FILTERS
