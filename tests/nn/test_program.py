"""signbin.nn.ProgramModule and Conv2d: the network they stand for, PyTorch's checks, no copies."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.library import opcheck

import signbin
import signbin.nn
from signbin.errors import ExecutionError, FormatError, SignbinError, SpecError
from signbin.nn.programs import program_of
from signbin.quant import Int8Activation, QConv2d, QuantConfig


def few_values(module, values=(0, 1)):
    """The module with filters of a few values each, in steps that differ from filter to filter."""
    rng = np.random.default_rng(len(values))
    codes = rng.choice(np.array(values, np.float32), module.weight.shape)
    steps = rng.uniform(0.1, 1, (len(codes), *[1] * (codes.ndim - 1))).astype(np.float32)
    module.weight.data = torch.from_numpy(codes * steps)
    return module


class Body(nn.Module):
    """Two outputs in a dict, one of them a sum of branches."""

    def __init__(self):
        super().__init__()
        self.one = few_values(nn.Conv2d(4, 8, 3, padding=1))
        self.two = few_values(nn.Conv2d(8, 8, 3, padding=1), (-1, 1))

    def forward(self, x):
        first = self.one(x).relu()
        return {"deep": self.two(first) + first, "first": first}


class Classifier(nn.Module):
    """A float stem, a body and a float head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.body = Body()
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        features = self.body(self.stem(x).relu())
        return self.head((features["deep"] + features["first"]).mean((2, 3)))


@pytest.fixture(scope="module")
def classifier():
    return Classifier().eval()


@pytest.fixture(scope="module")
def replaced(classifier):
    """The classifier whose body is a program."""
    made = copy.deepcopy(classifier)
    program = signbin.compile(classifier.body, (torch.zeros(1, 4, 6, 8),))
    made.body = signbin.nn.ProgramModule(program)
    return made


IMAGES = torch.randn(3, 3, 12, 16, generator=torch.Generator().manual_seed(1))


def test_a_body_that_is_a_program_computes_what_the_body_computes(classifier, replaced):
    with torch.inference_mode():
        torch.testing.assert_close(replaced(IMAGES), classifier(IMAGES), rtol=1e-5, atol=1e-5)
        half = replaced.body(torch.ones(1, 4, 6, 8, dtype=torch.float16))
    assert list(half) == ["deep", "first"]
    assert half["deep"].dtype == torch.float16


def test_pytorch_finds_nothing_wrong_with_the_operator(replaced):
    body = replaced.body
    for batch in (1, 3):
        x = torch.randn(batch, 4, 6, 8)
        arguments = ([x], body.content, *body._key, body._extents)
        found = opcheck(torch.ops.signbin.run.default, arguments)
        assert set(found.values()) == {"SUCCESS"}


def test_export_and_compile_see_one_operator_for_any_batch(replaced):
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.no_grad():
        expected = replaced(IMAGES)
        exported = torch.export.export(replaced, (IMAGES,), dynamic_shapes=({0: batch},))
        compiled = torch.compile(replaced, backend="aot_eager", fullgraph=True)
        for model in (exported.module(), compiled):
            torch.testing.assert_close(model(IMAGES), expected, rtol=0, atol=0)
            torch.testing.assert_close(model(IMAGES[:2]), expected[:2], rtol=1e-6, atol=1e-6)
    assert [str(node.target) for node in exported.graph.nodes].count("signbin.run.default") == 1


def test_what_export_saved_runs_in_another_process(replaced, tmp_path):
    with torch.no_grad():
        torch.export.save(torch.export.export(replaced, (IMAGES,)), tmp_path / "model.pt2")
        np.save(tmp_path / "expected.npy", replaced(IMAGES).numpy())
    np.save(tmp_path / "images.npy", IMAGES.numpy())
    code = (
        "import sys, numpy, torch, signbin.nn\n"
        "model = torch.export.load(sys.argv[1] + '/model.pt2').module()\n"
        "images = torch.from_numpy(numpy.load(sys.argv[1] + '/images.npy'))\n"
        "with torch.no_grad(): found = model(images).numpy()\n"
        "numpy.testing.assert_array_equal(found, numpy.load(sys.argv[1] + '/expected.npy'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_tensors_are_read_and_handed_on_where_they_lie(replaced, monkeypatch):
    seen, call = {}, signbin.Program.__call__

    def recording(program, *inputs):
        seen["given"] = [signbin.runtime.inputs.as_array(each, "x").ctypes.data for each in inputs]
        made = call(program, *inputs)
        seen["made"] = sorted(array.ctypes.data for array in made.values())
        return made

    monkeypatch.setattr(signbin.Program, "__call__", recording)
    x = torch.randn(2, 4, 6, 8)
    with torch.inference_mode():
        y = replaced.body(x)
    assert seen["given"] == [x.data_ptr()]
    assert seen["made"] == sorted(tensor.data_ptr() for tensor in y.values())


def test_copies_pickles_and_states_carry_the_program(classifier, replaced):
    x = torch.randn(2, 4, 6, 8)
    other = signbin.nn.ProgramModule(
        signbin.compile(few_values(nn.Conv2d(4, 2, 1)), (torch.zeros(1, 4, 6, 8),))
    )
    with torch.inference_mode():
        expected = replaced.body(x)["deep"]
        other.load_state_dict(replaced.body.state_dict())
        pickled = pickle.loads(pickle.dumps(replaced.body))
        for twin in (copy.deepcopy(replaced.body), pickled, other):
            torch.testing.assert_close(twin(x)["deep"], expected, rtol=0, atol=0)
    assert copy.deepcopy(replaced.body).program is replaced.body.program  # packed once


def test_a_file_and_a_program_are_both_taken_and_nothing_else(replaced, tmp_path):
    path = tmp_path / "body.sbn"
    replaced.body.program.save(path)
    x = torch.randn(1, 4, 6, 8)
    with torch.inference_mode():
        found = signbin.nn.ProgramModule(path)(x)["first"]
        torch.testing.assert_close(found, replaced.body(x)["first"], rtol=0, atol=0)
    with pytest.raises(SpecError, match=r"a signbin\.Program, a network in parts"):
        signbin.nn.ProgramModule(nn.ReLU())


def test_what_it_does_not_do_is_named(replaced):
    body = replaced.body
    with pytest.raises(ExecutionError, match="inference_mode"):
        body(torch.randn(2, 4, 6, 8, requires_grad=True))
    with pytest.raises(ExecutionError, match="4, 6, 8"):
        body(torch.randn(2, 4, 6, 9))
    with pytest.raises(ExecutionError, match="number of inputs"):
        body()
    with pytest.raises(ExecutionError, match=r"ndarray'; allowed: a tensor"):
        body(np.zeros((1, 4, 6, 8), np.float32))
    with pytest.raises(FormatError, match="on meta"):
        copy.deepcopy(body).to("meta")(torch.randn(1, 4, 6, 8))
    damaged = copy.deepcopy(body)
    damaged.content = damaged.content[:-1]
    damaged._program = None
    with pytest.raises(SignbinError, match=r"CRC|checksum|truncated|bytes"):
        damaged(torch.randn(1, 4, 6, 8))
    with pytest.raises(FormatError, match="SHA-256 is not"):
        program_of(body.content, ("0" * 64, "auto", 1))


WINDOWS = [
    {"stride": 2, "padding": 1},
    {"padding": (2, 0), "dilation": (2, 1), "bias": False},
    {"groups": 2, "padding": "same"},
    {"padding": "valid"},
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (-1, 0, 1)], ids=str)
def test_a_convolution_computes_what_the_layer_computes_at_any_size(window, values):
    layer = few_values(nn.Conv2d(4, 6, 3, **window), values)
    packed = signbin.nn.Conv2d.from_conv2d(layer, size=(16, 8))
    for size in ((16, 8), (9, 13)):
        x = torch.randn(2, 4, *size)
        with torch.inference_mode():
            torch.testing.assert_close(packed(x), layer(x), rtol=1e-5, atol=1e-5)
    arguments = ([x], packed.content, *packed._key, packed._extents)
    assert set(opcheck(torch.ops.signbin.run.default, arguments).values()) == {"SUCCESS"}


def test_a_convolution_inside_a_model_is_exported_and_compiled():
    packed = signbin.nn.Conv2d.from_conv2d(few_values(nn.Conv2d(4, 6, 3)))
    model = nn.Sequential(packed, nn.ReLU()).eval()
    x = torch.randn(2, 4, 9, 9)
    with torch.no_grad():
        expected = model(x)
        exported = torch.export.export(model, (x,)).module()
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(exported(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(compiled(x), expected, rtol=0, atol=0)
    assert "kernel_size=(3, 3)" in repr(model)


def test_a_trained_convolution_is_packed_and_what_is_not_one_is_refused():
    trained = QConv2d(4, 6, 3, config=QuantConfig())
    packed = signbin.nn.Conv2d.from_conv2d(trained)
    x = torch.randn(2, 4, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), trained.eval()(x), rtol=1e-4, atol=1e-4)
    config = QuantConfig(activation=Int8Activation())
    with pytest.raises(SpecError, match="changes its inputs"):
        signbin.nn.Conv2d.from_conv2d(QConv2d(4, 6, 3, config=config))
    with pytest.raises(SpecError, match="float weights"):
        signbin.nn.Conv2d.from_conv2d(nn.Conv2d(4, 6, 3))
    with pytest.raises(SpecError, match="zeros"):
        signbin.nn.Conv2d.from_conv2d(
            few_values(nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"))
        )
    with pytest.raises(SpecError, match="even kernel"):
        signbin.nn.Conv2d.from_conv2d(few_values(nn.Conv2d(4, 6, 2, padding="same")))
    with pytest.raises(SpecError, match="6 finite numbers"):
        signbin.nn.Conv2d(few_values(nn.Conv2d(4, 6, 3)).weight, torch.full((6,), torch.nan))
