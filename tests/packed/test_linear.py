"""signbin.linear against numpy: every kind of input, weights of every value set, errors by name."""

import subprocess
import sys

import numpy as np
import pytest

import signbin
from signbin import native
from signbin.errors import ExecutionError, SpecError
from signbin.packed import ACTIVATIONS

ISAS = list(dict.fromkeys(kernel.isa for kernel in native.kernels() if kernel.usable))
VALUES = [(0, 1), (-1, 1), (-1, 0, 1)]


def weight_of(values, shape=(70, 130), seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.choice(np.array(values, np.int8), shape)
    if values == (0, 1):
        codes[1::2] *= -1
    offset = rng.normal(size=shape[0]).astype(np.float32) if seed % 2 else None
    return signbin.LowBitWeight(codes, rng.uniform(0.1, 2, shape[0]).astype(np.float32), offset)


def dense(weight):
    offset = 0 if weight.offset is None else weight.offset[:, None]
    return weight.scale[:, None].astype(np.float64) * weight.codes + offset


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("seed", [0, 1])
def test_float32_is_within_its_roundings(isa, values, seed):
    weight = weight_of(values, seed=seed)
    bias = np.linspace(-1, 1, 70).astype(np.float32)
    packed = signbin.pack_linear(weight, bias, isa=isa)
    x = np.random.default_rng(1).normal(size=(3, 4, 130)).astype(np.float32)
    y = signbin.linear(x, packed)
    assert y.shape == (3, 4, 70)
    assert y.dtype == np.float32
    magnitude = np.abs(x).sum(axis=-1, keepdims=True) * 6 + 1
    assert np.all(np.abs(y - (x @ dense(weight).T + bias)) <= 140 * 2.0**-24 * magnitude)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("values", VALUES)
def test_uint8_sums_are_exact(isa, values):
    """Scales of one, so that float32 holds every sum."""
    weight = signbin.LowBitWeight(weight_of(values).codes, np.ones(70, np.float32))
    packed = signbin.pack_linear(weight, activations="uint8", isa=isa, threads=2)
    x = np.random.default_rng(2).integers(0, 256, (5, 130)).astype(np.uint8)
    expected = x.astype(np.int64) @ weight.codes.astype(np.int64).T
    np.testing.assert_array_equal(signbin.linear(x, packed), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("values", VALUES)
def test_dynamic_codes_err_by_half_a_step_for_every_input(isa, values):
    weight = weight_of(values)
    packed = signbin.pack_linear(weight, activations="dynamic_int8", isa=isa)
    rng = np.random.default_rng(3)
    for x in (rng.normal(size=(6, 130)), rng.uniform(size=(6, 130))):
        rows = x.astype(np.float32)
        step = np.abs(rows).max(axis=1, keepdims=True) / (127 if (rows < 0).any() else 255)
        bound = 0.51 * step * np.abs(dense(weight)).sum(axis=1)
        assert np.all(np.abs(signbin.linear(rows, packed) - rows @ dense(weight).T) <= bound)


def test_a_row_alone_is_the_row_among_others():
    x = np.random.default_rng(4).normal(size=(9, 130)).astype(np.float32)
    for activations in ("float32", "dynamic_int8"):
        packed = signbin.pack_linear(weight_of((-1, 0, 1)), activations=activations)
        together = signbin.linear(x, packed)
        for row, expected in zip(x, together, strict=True):
            np.testing.assert_array_equal(signbin.linear(row, packed), expected)


def test_float_weights_are_recognised_and_tensors_are_read():
    torch = pytest.importorskip("torch")
    values = np.where(np.random.default_rng(5).random((9, 40)) < 0.5, np.float32(0.25), 0)
    packed = signbin.pack_linear(values.astype(np.float32))
    x = torch.randn(2, 40)
    np.testing.assert_allclose(
        signbin.linear(x, packed), x.numpy() @ values.T, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(signbin.linear(x.double(), packed), signbin.linear(x, packed))
    strided = x.numpy()[:, ::1].T.copy().T
    np.testing.assert_array_equal(signbin.linear(strided, packed), signbin.linear(x, packed))


def test_no_rows_are_no_outputs():
    packed = signbin.pack_linear(weight_of((0, 1)))
    assert signbin.linear(np.zeros((0, 130), np.float32), packed).shape == (0, 70)
    assert signbin.linear(np.zeros((2, 0, 130), np.float32), packed).shape == (2, 0, 70)


@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_a_packed_layer_says_what_it_is_and_what_it_takes(activations):
    weight = weight_of((-1, 1), (1024, 1200))
    packed = signbin.pack_linear(weight, activations=activations)
    assert packed.shape == (1024, 1200)
    assert packed.activations == activations
    assert "table" in packed.kernel
    assert packed.bits_per_weight < 1.2
    assert packed.working_bytes < 300_000
    assert activations in repr(packed)
    assert "bits a weight" in repr(packed)


@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        (
            {"weight": np.eye(9, 9, dtype=np.float32) + 2 * np.eye(9, 9, 1, np.float32)},
            SpecError,
            "two or three values per filter",
        ),
        ({"weight": np.ones((9, 9))}, SpecError, "float32"),
        (
            {
                "weight": signbin.LowBitWeight(
                    np.ones((2, 3, 1, 1), np.int8), np.ones(2, np.float32)
                )
            },
            SpecError,
            r"\(K, C\)",
        ),
        ({"bias": np.ones(3, np.float32)}, SpecError, "bias.*allowed: float32 of shape"),
        ({"bias": np.full(70, np.nan, np.float32)}, SpecError, "bias.*finite"),
        ({"activations": "int4"}, ExecutionError, "float32, dynamic_int8, uint8"),
        ({"isa": "sse"}, ExecutionError, "instruction set"),
        ({"threads": 0}, ExecutionError, "threads"),
    ],
)
def test_what_cannot_be_packed_is_named(given, error, reason):
    named = {"weight": weight_of((0, 1)), **given}
    with pytest.raises(error, match=reason):
        signbin.pack_linear(named.pop("weight"), named.pop("bias", None), **named)


@pytest.mark.parametrize(
    ("x", "activations", "reason"),
    [
        (np.zeros((2, 129), np.float32), "float32", r"allowed: \(\.\.\., 130\)"),
        (np.float32(1), "float32", "DLPack"),
        (np.array(1, np.float32), "float32", "shape"),
        (np.zeros((2, 130), np.int32), "float32", "float32, or another floating type"),
        (np.zeros((2, 130), np.uint8), "dynamic_int8", "activations='uint8'"),
        (np.zeros((2, 130), np.float32), "uint8", "allowed: uint8.*activations='float32'"),
        ([1.0], "float32", "numpy.asarray"),
        (np.ma.masked_array(np.zeros((2, 130), np.float32)), "float32", "masked"),
    ],
)
def test_an_input_that_does_not_fit_is_named(x, activations, reason):
    packed = signbin.pack_linear(weight_of((0, 1)), activations=activations)
    with pytest.raises(ExecutionError, match=reason):
        signbin.linear(x, packed)


def test_only_packed_layers_are_taken():
    with pytest.raises(ExecutionError, match="pack_linear"):
        signbin.linear(np.zeros((1, 130), np.float32), weight_of((0, 1)))


def test_the_room_needs_no_torch():
    code = "import sys, signbin; signbin.pack_linear; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
