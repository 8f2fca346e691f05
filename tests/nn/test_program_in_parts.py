"""signbin.nn.ProgramModule of a network in parts: two engines, one operator of PyTorch."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from torch.library import opcheck

import signbin.nn
from signbin.errors import ExecutionError, SpecError
from signbin.hybrid import HybridContent, HybridProgram, Part, PartEngine, Port
from signbin.hybrid.content import PartedNetwork
from tests.hybrid.parts import IMAGE, content

IMAGES = torch.randn(3, *IMAGE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def program():
    return HybridProgram(content({"scores": 0, "again": (0,)}))


@pytest.fixture(scope="module")
def body(program):
    return signbin.nn.ProgramModule(program)


def test_the_module_hands_back_what_the_program_computes(program, body, tmp_path):
    program.save(tmp_path / "parts.sbn")
    expected = program(IMAGES.numpy())
    with torch.inference_mode():
        for module in (body, signbin.nn.ProgramModule(tmp_path / "parts.sbn")):
            found = module(IMAGES)
            assert list(found) == ["scores", "again"]
            np.testing.assert_array_equal(found["again"][0].numpy(), expected["scores"])
        assert body(IMAGES.half())["scores"].dtype == torch.float16


def test_pytorch_finds_nothing_wrong_with_the_operator(body):
    for batch in (1, 3):
        arguments = ([IMAGES[:batch]], body.content, *body._key, body._extents)
        found = opcheck(torch.ops.signbin.run.default, arguments)
        assert set(found.values()) == {"SUCCESS"}


def test_export_and_compile_see_one_operator_for_any_batch(body):
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.no_grad():
        expected = body(IMAGES)["scores"]
        exported = torch.export.export(body, (IMAGES,), dynamic_shapes=(({0: batch},),))
        compiled = torch.compile(body, backend="aot_eager", fullgraph=True)
        for model in (exported.module(), compiled):
            torch.testing.assert_close(model(IMAGES)["scores"], expected, rtol=0, atol=0)
            torch.testing.assert_close(model(IMAGES[:2])["scores"], expected[:2])
    assert [str(node.target) for node in exported.graph.nodes].count("signbin.run.default") == 1


def test_what_export_saved_runs_in_another_process(body, tmp_path):
    with torch.no_grad():
        torch.export.save(torch.export.export(body, (IMAGES,)), tmp_path / "model.pt2")
        np.save(tmp_path / "expected.npy", body(IMAGES)["scores"].numpy())
    np.save(tmp_path / "images.npy", IMAGES.numpy())
    code = (
        "import sys, numpy, torch, signbin.nn\n"
        "model = torch.export.load(sys.argv[1] + '/model.pt2').module()\n"
        "images = torch.from_numpy(numpy.load(sys.argv[1] + '/images.npy'))\n"
        "with torch.no_grad(): found = model(images)['scores'].numpy()\n"
        "numpy.testing.assert_array_equal(found, numpy.load(sys.argv[1] + '/expected.npy'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_copies_and_pickles_carry_the_parts(body):
    with torch.inference_mode():
        expected = body(IMAGES)["scores"]
        for twin in (copy.deepcopy(body), pickle.loads(pickle.dumps(body))):
            torch.testing.assert_close(twin(IMAGES)["scores"], expected, rtol=0, atol=0)


def test_what_tracing_cannot_know_is_refused_by_name(program):
    given = content()

    def module(inputs=given.network.inputs, outputs=given.network.outputs):
        network = dataclasses.replace(given.network, inputs=inputs, outputs=outputs)
        changed = dataclasses.replace(given, network=network)
        return signbin.nn.ProgramModule(HybridProgram(changed))

    (scores,) = given.network.outputs
    with pytest.raises(SpecError, match=r"scores .* got 'int64'; allowed: float32"):
        module(outputs=(dataclasses.replace(scores, dtype="int64"),))
    with pytest.raises(SpecError, match=r"scores .* sizes that do not depend on the input"):
        module(outputs=(dataclasses.replace(scores, shape=(-1, 8, -1, 10)),))
    with pytest.raises(SpecError, match=r"image .* a batch of any size first"):
        module(inputs=(Port("image", "float32", (1, *IMAGE)),))
    lying = module(outputs=(dataclasses.replace(scores, shape=(-1, 8, 12, 11)),))
    with torch.inference_mode(), pytest.raises(ExecutionError, match="sizes that its file says"):
        lying(IMAGES)


def test_an_input_that_is_handed_back_is_memory_of_its_own():
    shape = f"N,{IMAGE[0]},{IMAGE[1]},{IMAGE[2]}"
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]> g '
        f"(float[{shape}] image) => (float[{shape}] y) {{ y = Cos(image) }}"
    )
    ports = [Port(name, "float32", (-1, *IMAGE)) for name in ("image", "y")]
    part = Part(PartEngine.ONNX_RUNTIME, ("cos",), ("image",), ("y",), "signbin has no Cos")
    network = PartedNetwork("n", (ports[0],), tuple(ports), (part,), content().network.decision)
    program = HybridProgram(HybridContent(network, (0, 1), (model.SerializeToString(),)))
    body = signbin.nn.ProgramModule(program)
    with torch.inference_mode():
        same, cosine = body(IMAGES)
    assert same.data_ptr() != IMAGES.data_ptr()
    torch.testing.assert_close(same, IMAGES, rtol=0, atol=0)
    torch.testing.assert_close(cosine, IMAGES.cos(), rtol=1e-5, atol=1e-6)
    found = opcheck(
        torch.ops.signbin.run.default, ([IMAGES], body.content, *body._key, body._extents)
    )
    assert set(found.values()) == {"SUCCESS"}
