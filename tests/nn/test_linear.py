"""signbin.nn.Linear: the layer it stands for, PyTorch's own checks, state, and what it refuses."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.library import opcheck

import signbin.nn
from signbin.errors import ExecutionError, SpecError
from signbin.nn.bits import codes_of, state_of
from signbin.quant import Int8Activation, QLinear, QuantConfig

VALUES = [(0, 1), (0, -1), (-1, 1), (-1, 0, 1), (1,), (0,)]


def float_layer(values=(0, 1), filters=20, inputs=33, bias=True):
    """A torch layer with weights of the values, in steps that differ from filter to filter."""
    layer = nn.Linear(inputs, filters, bias=bias)
    rng = np.random.default_rng(len(values))
    codes = rng.choice(np.array(values, np.float32), (filters, inputs))
    steps = rng.uniform(0.1, 1, (filters, 1)).astype(np.float32)
    layer.weight.data = torch.from_numpy(codes * steps)
    return layer


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_what_the_layer_computes(values, bias):
    layer = float_layer(values, bias=bias)
    packed = signbin.nn.Linear.from_linear(layer)
    x = torch.randn(2, 3, 33)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), layer(x), rtol=1e-5, atol=1e-5)
        half = packed(x.half())
    assert half.dtype == torch.float16
    np.testing.assert_array_equal(dense(packed.low_bit()), layer.weight.detach().numpy())


def dense(weight):
    return weight.scale[:, None] * weight.codes


@pytest.mark.parametrize("values", [*VALUES, (-1,), (-1, 0)])
def test_codes_are_kept_in_bits(values):
    codes = np.random.default_rng(0).choice(np.array(values, np.int8), (7, 19))
    bits, levels, signs = state_of(codes)
    assert bits.shape == (7, 3)
    assert (signs is not None) == (len(values) == 3)
    np.testing.assert_array_equal(codes_of(bits, levels, signs, 19), codes)


def test_dynamic_codes_are_close_and_say_so():
    layer = float_layer()
    packed = signbin.nn.Linear.from_linear(layer, activations="dynamic_int8")
    x = torch.randn(4, 33)
    with torch.inference_mode():
        difference = (packed(x) - layer(x)).abs().max()
    assert 0 < difference < 0.2
    assert "activations=dynamic_int8" in repr(packed)


def test_pytorch_finds_nothing_wrong_with_the_operator():
    packed = signbin.nn.Linear.from_linear(float_layer())
    for shape in ((33,), (3, 33), (2, 3, 33)):
        found = opcheck(torch.ops.signbin.linear.default, (torch.randn(shape), packed._number, 20))
        assert set(found.values()) == {"SUCCESS"}


def test_export_and_compile_see_one_operator():
    packed = signbin.nn.Linear.from_linear(float_layer()).eval()
    model = nn.Sequential(packed, nn.ReLU())
    x = torch.randn(5, 33)
    with torch.no_grad():
        expected = model(x)
        exported = torch.export.export(model, (x,))
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(exported.module()(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(compiled(x), expected, rtol=0, atol=0)
    assert [str(node.target) for node in exported.graph.nodes].count("signbin.linear.default") == 1


def test_copies_pickles_and_states_carry_the_weights():
    packed = signbin.nn.Linear.from_linear(float_layer((-1, 0, 1)))
    other = signbin.nn.Linear.from_linear(float_layer((-1, 0, 1)))
    other.load_state_dict({**packed.state_dict(), "scale": 2 * packed.scale})
    x = torch.randn(3, 33)
    with torch.inference_mode():
        expected = packed(x)
        for twin in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
            torch.testing.assert_close(twin(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(
            other(x) - packed.bias, 2 * (expected - packed.bias), rtol=1e-4, atol=1e-4
        )


def test_a_trained_layer_is_packed_and_one_that_changes_its_inputs_is_refused():
    trained = QLinear(40, 12, config=QuantConfig())
    packed = signbin.nn.Linear.from_linear(trained)
    x = torch.randn(2, 40)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), trained.eval()(x), rtol=1e-4, atol=1e-4)
    coded = QLinear(40, 12, config=QuantConfig(activation=Int8Activation()))
    with pytest.raises(SpecError, match="changes its inputs"):
        signbin.nn.Linear.from_linear(coded)


def test_what_it_does_not_do_is_named():
    packed = signbin.nn.Linear.from_linear(float_layer())
    with pytest.raises(ExecutionError, match="inference_mode"):
        packed(torch.randn(2, 33, requires_grad=True))
    with pytest.raises(ExecutionError, match="33"):
        packed(torch.randn(2, 32))
    with pytest.raises(SpecError, match="two or three values"):
        signbin.nn.Linear.from_linear(nn.Linear(33, 20))
    with pytest.raises(SpecError, match="float32, dynamic_int8"):
        signbin.nn.Linear(float_layer().weight, activations="uint8")
    with pytest.raises(ExecutionError, match="of this process"):
        torch.ops.signbin.linear(torch.randn(2, 33), 10**9, 20)


def test_what_is_no_tensor_of_floats_is_named():
    packed = signbin.nn.Linear.from_linear(float_layer())
    for x in (torch.ones(2, 33, dtype=torch.int32), [1.0] * 33):
        with pytest.raises(ExecutionError, match="a tensor of a floating type"):
            packed(x)
    with pytest.raises(SpecError, match=r"bfloat16 on cpu'; allowed: torch.float32"):
        signbin.nn.Linear(float_layer().weight.bfloat16())
    with pytest.raises(SpecError, match="ndarray'; allowed: a tensor, or None"):
        signbin.nn.Linear(float_layer().weight, np.zeros(20, np.float32))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_that_is_cast_is_copied_and_packed_all_the_same(kind):
    layer = float_layer()
    packed = copy.deepcopy(signbin.nn.Linear.from_linear(layer).to(kind))
    x = torch.randn(3, 33).to(kind)
    with torch.inference_mode():
        assert packed(x).dtype == kind
        # 8 bits of a bfloat16 scale, bias and result.
        torch.testing.assert_close(packed(x).float(), layer(x.float()), rtol=0.02, atol=0.1)


def test_threads_that_call_an_unpacked_layer_first_all_get_its_results():
    packed = signbin.nn.Linear.from_linear(float_layer())
    x, found = torch.randn(3, 33), []
    with torch.inference_mode():
        expected = packed(x)

    def call(start):
        start.wait()
        with torch.inference_mode():
            found.append(torch.equal(packed(x), expected))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            packed.load_state_dict(packed.state_dict())
            start = threading.Event()
            threads = [threading.Thread(target=call, args=(start,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            start.set()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert found == [True] * 160


def test_importing_signbin_loads_neither_the_room_nor_torch():
    code = "import sys, signbin; sys.exit('torch' in sys.modules or 'signbin.nn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
