"""Products of two values, and softmax: kernels against numpy, on codes exactly."""

import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [row for row in native.kernels() if row.usable and row.op == "multiply"]
ISAS = [row.isa for row in ROWS if row.activations == "f32"]
CODE_ISAS = [row.isa for row in ROWS if row.activations == "u8"]
SIZES = [(1, 1), (5, 3), (13, 17)]
FACTORS = ["same", "of channel", "of pixel", "one"]


def factor_shape(kind, channels, size):
    shapes = {
        "same": (channels, *size),
        "of channel": (channels, 1, 1),
        "of pixel": (1, *size),
        "one": (1, 1, 1),
    }
    return shapes[kind]


def place_of(isa, dtype, size):
    """Lane-blocked with a halo, as the runtime lays out images of many pixels."""
    lanes = _signbin.isa_lanes(isa, dtype)
    return (lanes, lanes, 1, -(-size[0] // lanes), size[1], 1, 1, 1, 1)


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_a_product_repeats_the_smaller_factor(isa, size, kind):
    """The factor is computed in the program: what enters is [C][H][W] and its part."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (3, 5, *size)).astype(np.float32)
    shape = factor_shape(kind, 5, size)
    for threads, blocked in itertools.product((1, 3), (False, True)):
        builder = _signbin.Builder(isa, 1 << 20, 0, threads)
        given = builder.add_value((5, *size), _signbin.Place.INPUT)
        target = builder.add_value((5, *size), _signbin.Place.OUTPUT)
        factor, y = _factor(builder, given, kind, size, x)
        source = given
        if blocked:
            form = (*place_of(isa, "f32", size), 6)
            source = builder.add_value((5, *size), _signbin.Place.ARENA, 1 << 19, form)
            builder.add_direct("flatten", given, source)
        epilogue = _signbin.Epilogue(residual=factor)
        builder.add_direct("multiply", source, target, epilogue=epilogue)
        z = np.full_like(x, np.nan)
        program = builder.finish()
        program.run([x], [z], len(x))
        assert y.shape[1:] == shape
        np.testing.assert_allclose(z, x * y, rtol=2e-5, atol=1e-6)
        assert program.step_kernels()[-1].endswith(f"__{isa}")


def _factor(builder, given, kind, size, x):
    """A value made of the input, of the wanted shape, and its numbers."""
    if kind == "same":
        return given, x
    shape = factor_shape(kind, 5, size)
    made = builder.add_value(shape, _signbin.Place.ARENA)
    if kind == "of channel":
        builder.add_direct("avg_pool2d", given, made, (*size, 1, 1, 0, 0, 0, 0, 1, 1), whole=(1,))
        return made, x.mean((2, 3), keepdims=True)
    window = (1, 1) if kind == "of pixel" else size
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.DENSE,
        values=np.ones(5 * window[0] * window[1], np.float32),
        tile=(1, 1, 1),
    )
    form = (*window, 1, 1, 0, 0, 0, 0, 1, 1)
    builder.add_conv2d(given, made, form, 1, weight, _signbin.Epilogue())
    axes = (1,) if kind == "of pixel" else (1, 2, 3)
    return made, x.sum(axes, keepdims=True)


@pytest.mark.parametrize("stored", ["codes", "float32"])
@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", CODE_ISAS)
def test_a_product_of_codes_is_the_chain_on_exact_products(codes_oracle, isa, size, kind, stored):
    rng = np.random.default_rng(4)
    given = codes_oracle.Quantized(128)
    result = codes_oracle.Quantized(64, 127) if stored == "codes" else None
    scale = rng.uniform(0.001, 0.01, 5).astype(np.float32)
    q = given.random(rng, (2, 5, *size))
    steps = q - given.zero
    for threads, blocked in itertools.product((1, 3), (False, True)):
        program = codes_oracle.Program(isa, ((5, *size),) * 2, (given, result), threads)
        builder, source = program.builder, program.input
        factor, y = source, steps
        if kind != "same":  # the largest codes: a pooling that keeps them, exactly
            factor = program.value(factor_shape(kind, 5, size), given)
            channels = 1 if kind in ("of pixel", "one") else 5
            part = program.value((channels, *size), given)
            rows = steps[:, :channels]
            weight = _signbin.Weight(
                strategy=_signbin.Strategy.DENSE,
                integers=np.eye(channels, 5, dtype=np.int8).reshape(-1),
                scale=np.ones(channels, np.float32),
                tile=(1, 1, 1),
            )
            point = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1)
            builder.add_conv2d(source, part, point, 1, weight, _signbin.Epilogue())
            pooled = kind in ("of channel", "one")
            window = (*(size if pooled else (1, 1)), 1, 1, 0, 0, 0, 0, 1, 1)
            builder.add_direct("max_pool2d", part, factor, window)
            y = rows.max((2, 3), keepdims=True) if pooled else rows
        if blocked:
            form = (*place_of(isa, "u8", size), 6)
            source = program.value((5, *size), given, layout=form, fill=given.zero)
            builder.add_direct("flatten", program.input, source)
        epilogue = _signbin.Epilogue(residual=factor)
        builder.add_direct("multiply", source, program.output, scale=scale, epilogue=epilogue)
        expected = codes_oracle.Chain(scale).finish(steps * y, output=result)
        np.testing.assert_array_equal(program.run(q), expected)


def test_a_product_needs_a_second_value_that_fits(oracle):
    layer = oracle.OneLayer("scalar", (4, 3, 2), (4, 3, 2))
    with pytest.raises(_signbin.StatusError, match="multiply of one value"):
        layer.builder.add_direct("multiply", layer.input, layer.output)
    layer = oracle.OneLayer("scalar", (4, 3, 2), (4, 2, 3))
    epilogue = _signbin.Epilogue(residual=layer.input)
    with pytest.raises(_signbin.StatusError, match="shape"):
        layer.builder.add_direct("multiply", layer.input, layer.output, epilogue=epilogue)
    layer = oracle.OneLayer("scalar", (1, 3, 2), (4, 3, 2))
    for op in ("elementwise", "multiply"):
        with pytest.raises(_signbin.StatusError, match="shape"):
            layer.builder.add_direct(op, layer.input, layer.output, epilogue=epilogue)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 7, 40])
@pytest.mark.parametrize("isa", ISAS)
def test_softmax_sums_to_one_at_every_pixel(oracle, isa, channels, size):
    rng = np.random.default_rng(5)
    x = rng.normal(0, 20, (2, channels, *size)).astype(np.float32)
    x[0, 0] = 90.0
    x[1, -1, 0, 0] = -1e30
    layer = oracle.OneLayer(isa, x.shape[1:], x.shape[1:], 2)
    layer.builder.add_direct("softmax", layer.input, layer.output)
    y = layer.run(x)
    less = x - x.max(axis=1, keepdims=True)  # rounded: what e^ gets
    powers = np.exp(less.astype(np.float64))
    # e^ and the quotient to 2 units each, the sum to one per channel
    tolerance = (channels + 6) * 2.0**-24
    np.testing.assert_allclose(y, powers / powers.sum(1, keepdims=True), rtol=tolerance, atol=1e-44)
    np.testing.assert_allclose(y.sum(axis=1), 1.0, rtol=2 * tolerance)
    assert "_direct_softmax_" in layer.kernels[0]
