"""Functions of one number: kernels against the float64 definitions, and tables of codes."""

import re
from pathlib import Path

import numpy as np
import pytest

from signbin import native
from signbin.ir.functions import FUNCTIONS
from signbin.native import _signbin

SOURCES = Path(__file__).parents[2] / "native" / "src"
ROWS = [row for row in native.kernels() if row.usable and row.strategy == "direct"]
ISAS = [row.isa for row in ROWS if row.op == "unary"]
CODE_ISAS = [row.isa for row in ROWS if row.op == "look_up"]
ALPHA = 0.7
ULPS = {
    "abs": 0.0,
    "binary_sign": 0.0,
    "elu": 2.0,
    "erf": 2.5,
    "exp": 1.5,
    "gelu": 5.0,
    "gelu_tanh": 4.0,
    "hard_sigmoid": 1.0,
    "hard_swish": 2.0,
    "log": 2.5,
    "mish": 5.0,
    "reciprocal": 0.5,
    "sigmoid": 3.0,
    "sign": 0.0,
    "silu": 4.0,
    "softplus": 4.0,
    "sqrt": 0.5,
    "tanh": 3.0,
}
"""How far a kernel may be from the real function, in units in the last place of the result."""
EXTREMES = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38])


def apply(isa, function, x):
    """The kernel on a plain array (C,), C > 1, of any length."""
    builder = _signbin.Builder(isa, 0)
    shape = (x.size, 1, 1)
    given = builder.add_value(shape, _signbin.Place.INPUT)
    made = builder.add_value(shape, _signbin.Place.OUTPUT)
    real = (ALPHA,) if FUNCTIONS[function].takes_alpha else ()
    builder.add_direct(function, given, made, real=real)
    y = np.full_like(x, 7.0)
    builder.finish().run([x], [y], 1)
    return y


def defined(function, x):
    with np.errstate(all="ignore"):
        return FUNCTIONS[function].value(x.astype(np.float64), float(np.float32(ALPHA)))


def numbers(step):
    """Every step-th float32 number by its bits: all signs, exponents, subnormal ones, NaN."""
    swept = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = np.linspace(-20, 20, 100_003, dtype=np.float32)
    return np.concatenate([swept, near, EXTREMES])


def distance(actual, expected):
    """In units in the last place; 0 where both are the same infinity or NaN, else infinite."""
    with np.errstate(all="ignore"):
        nearest = expected.astype(np.float32)
        unit = np.spacing(np.abs(nearest)).astype(np.float64)
        away = np.abs(actual.astype(np.float64) - expected) / unit
        same = (actual == nearest) | (np.isnan(actual) & np.isnan(nearest))
    return np.where(same & ~np.isfinite(nearest), 0.0, np.where(np.isnan(away), np.inf, away))


@pytest.mark.parametrize("step", [4093, pytest.param(509, marks=pytest.mark.wide)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_within_its_bound_over_all_numbers(function, step):
    x = numbers(step)
    expected = defined(function, x)
    away = distance(apply(ISAS[-1], function, x), expected)
    worst = int(away.argmax())
    assert away[worst] <= ULPS[function], (x[worst], expected[worst])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(isa, function):
    x = numbers(65_537)
    expected, actual = apply("scalar", function, x), apply(isa, function, x)
    different = (actual.view(np.uint32) != expected.view(np.uint32)) & ~np.isnan(expected)
    assert not different.any(), x[different]
    assert (np.isnan(actual) == np.isnan(expected)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_infinities_and_nan_are_pytorchs(function):
    torch = pytest.importorskip("torch", reason="the oracle is PyTorch")
    from_torch = {
        "binary_sign": lambda x: torch.where(x < 0, -1.0, 1.0),
        # PyTorch's own says NaN of infinity where it uses AVX-512, infinity where it does not.
        "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
        "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "hard_sigmoid": torch.nn.functional.hardsigmoid,
        "hard_swish": torch.nn.functional.hardswish,
        "elu": lambda x: torch.nn.functional.elu(x, ALPHA),
    }
    named = getattr(torch, function, None) or getattr(torch.nn.functional, function, None)
    oracle = from_torch.get(function, named)
    x = np.float32([np.nan, np.inf, -np.inf, 0.0])
    expected = oracle(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(apply(ISAS[-1], function, x), expected, rtol=1e-6)
    np.testing.assert_allclose(defined(function, x), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (29, 31)])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_every_layout_and_number_of_threads_gives_the_same(oracle, isa, threads, size):
    rng = np.random.default_rng(1)
    x = rng.normal(0, 3, (2, 5, *size)).astype(np.float32)
    layer = oracle.OneLayer(isa, x.shape[1:], x.shape[1:], threads)
    layer.builder.add_direct("silu", layer.input, layer.output)
    np.testing.assert_array_equal(layer.run(x), apply(isa, "silu", x.reshape(-1)).reshape(x.shape))
    assert layer.kernels[0].endswith(f"__{isa}")
    assert "_direct_unary_" in layer.kernels[0]


@pytest.mark.parametrize("stored", ["codes", "float32"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (13, 17)])
@pytest.mark.parametrize("isa", CODE_ISAS)
def test_codes_are_looked_up(codes_oracle, isa, size, stored):
    given, result = codes_oracle.Quantized(64, 127), codes_oracle.Quantized(128)
    rng = np.random.default_rng(3)
    table = rng.normal(0, 90, 128).astype(np.float32)
    table[:4] = 0.5, 1.5, 1e30, -1e30
    q = given.random(rng, (2, 5, *size))
    for threads in (1, 3):
        shapes = ((5, *size),) * 2
        codes = (given, result if stored == "codes" else None)
        program = codes_oracle.Program(isa, shapes, codes, threads)
        program.builder.add_direct("look_up", program.input, program.output, table=table)
        f = table[q]
        expected = codes_oracle.requantize(f, result) if stored == "codes" else f
        np.testing.assert_array_equal(program.run(q), expected)


def test_a_table_must_fit_the_codes(codes_oracle):
    given = codes_oracle.Quantized(0, 127)
    program = codes_oracle.Program("scalar", ((3, 2, 2),) * 2, (given, given))
    table = np.zeros(128, np.float32)
    for refused in (None, table[:127], np.zeros(256, np.float32), table + np.float32(np.inf)):
        with pytest.raises(_signbin.StatusError, match="table"):
            program.builder.add_direct("look_up", program.input, program.output, table=refused)
    with pytest.raises(_signbin.StatusError, match="table"):
        program.builder.add_direct("elementwise", program.input, program.output, table=table)
    numbers = codes_oracle.Program("scalar", ((3, 2, 2),) * 2, (given, None))
    with pytest.raises(_signbin.StatusError, match="128 numbers in a table for f32"):
        numbers.builder.add_direct("look_up", numbers.plain_input, numbers.output, table=table)


@pytest.mark.parametrize("real", [(), (np.nan,), (np.inf,), (1.0, 2.0)])
def test_alpha_must_be_there_and_finite(oracle, real):
    layer = oracle.OneLayer("scalar", (3, 2, 2), (3, 2, 2))
    with pytest.raises(_signbin.StatusError, match=r"real|alpha"):
        layer.builder.add_direct("elu", layer.input, layer.output, real=real)


def test_the_library_and_the_definitions_list_the_same_functions():
    text = (SOURCES / "kernels" / "direct" / "functions.def").read_text(encoding="utf-8")
    rows = dict(re.findall(r"(?m)^SB_FUNCTION\((\w+), (true|false)\)$", text))
    assert rows == {name: str(row.takes_alpha).lower() for name, row in FUNCTIONS.items()}
    assert set(FUNCTIONS) < set(_signbin.direct_ops())
