"""Steps on plain values against numpy: rows, matrices, reductions, walks over elements."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable and row.op == "matmul"))
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def made(oracle, isa, op, x, out_shape, *, residual=None, threads=1, **takes):
    layer = oracle.OneLayer(isa, x.shape[1:], out_shape, threads)
    if residual is None:
        layer.builder.add_direct(op, layer.input, layer.output, **takes)
        y = layer.run(x)
        assert layer.kernels[0].startswith("sb_f32_direct_")
        return y
    shape = (*residual.shape[1:], 1, 1)[:3]
    other = layer.builder.add_value(shape, _signbin.Place.INPUT)
    epilogue = _signbin.Epilogue(residual=other)
    layer.builder.add_direct(op, layer.input, layer.output, epilogue=epilogue, **takes)
    y = np.full((len(x), *out_shape), np.nan, np.float32)
    layer.builder.finish().run([x, residual], [y], len(x))
    return y


@pytest.mark.parametrize("length", [1, 3, 8, 16, 21, 50])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_rows_are_scaled_normalised_and_softened(oracle, isa, threads, length):
    x, scale, bias = normal(2, 5, 1, length), normal(length), normal(length)
    shape, epilogue = x.shape[1:], _signbin.Epilogue(bias=bias)
    stated = {"scale": scale, "epilogue": epilogue, "whole": (5,), "threads": threads}
    found = made(oracle, isa, "scale_rows", x, shape, **stated)
    np.testing.assert_array_equal(found, x * scale + bias)
    wide = x.astype(np.float64)
    steps = wide - wide.mean(-1, keepdims=True)
    expected = steps / np.sqrt((steps**2).mean(-1, keepdims=True) + 0.5) * scale + bias
    found = made(oracle, isa, "normalize_rows", x, shape, real=(0.5,), **stated)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    powers = np.exp(wide - wide.max(-1, keepdims=True))
    found = made(oracle, isa, "softmax_rows", x, shape, whole=(5, length, 1), threads=threads)
    np.testing.assert_allclose(found, powers / powers.sum(-1, keepdims=True), rtol=2e-6)


@pytest.mark.parametrize("inner", [1, 2, 9, 17])
@pytest.mark.parametrize("isa", ISAS)
def test_reductions_and_softmax_go_along_a_middle_axis(oracle, isa, inner):
    x = normal(2, 3, 7, inner)
    for how, function in enumerate((np.sum, np.max, np.min)):
        stated = {"whole": (how, 3, 7, inner), "real": (1.0,)}
        found = made(oracle, isa, "reduce", x, (3, 1, inner), **stated)
        expected = function(x.astype(np.float64), axis=2, keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    powers = np.exp(x.astype(np.float64) - x.max(2, keepdims=True))
    found = made(oracle, isa, "softmax_rows", x, x.shape[1:], whole=(3, 7, inner))
    np.testing.assert_allclose(found, powers / powers.sum(2, keepdims=True), rtol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_nan_wins_in_reductions_and_softmax(oracle, isa):
    x = normal(1, 2, 1, 11)
    x[0, 1, 0, 9] = np.nan
    for how in (0, 1, 2):
        stated = {"whole": (how, 2, 11, 1), "real": (1.0,)}
        found = made(oracle, isa, "reduce", x, (2, 1, 1), **stated)
        np.testing.assert_array_equal(np.isnan(found).ravel(), [False, True])
    found = made(oracle, isa, "softmax_rows", x, x.shape[1:], whole=(2, 11, 1))
    np.testing.assert_array_equal(np.isnan(found).all(axis=(0, 2, 3)), [False, True])


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1), (2, 3, 5, 7), (3, 5, 4, 16), (1, 9, 30, 37), (2, 4, 1, 50)]
)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_matrices_multiply(oracle, isa, threads, sizes):
    b, m, k, n = sizes
    x, y = normal(2, b, m, k), normal(2, b, k, n)
    found = made(oracle, isa, "matmul", x, (b, m, n), residual=y, threads=threads, whole=sizes)
    np.testing.assert_allclose(found, x.astype(np.float64) @ y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_fill_gives_every_image_the_same_numbers(oracle, isa):
    value = normal(24)
    found = made(oracle, isa, "fill", normal(3, 2), (4, 1, 6), scale=value)
    np.testing.assert_array_equal(found, np.broadcast_to(value.reshape(4, 1, 6), (3, 4, 1, 6)))


@pytest.mark.parametrize("inner", [1, 5, 33])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_elements_of_an_axis_are_taken_by_their_places(oracle, isa, threads, inner):
    x, places = normal(2, 3, 7, inner), (6, 0, 0, 3, 5, 6, 1, 2, 2)
    stated = {"whole": (3, 7, inner, *places), "threads": threads}
    found = made(oracle, isa, "take", x, (3, len(places), inner), **stated)
    np.testing.assert_array_equal(found, x[:, :, list(places)])


@pytest.mark.parametrize("isa", ISAS)
def test_codes_are_taken_by_their_places(isa):
    builder = _signbin.Builder(isa, 1 << 16)
    given = builder.add_value((4, 6, 3), _signbin.Place.INPUT)
    codes = builder.add_value((4, 6, 3), _signbin.Place.ARENA, 0, codes=(128, 255))
    moved = builder.add_value((4, 2, 3), _signbin.Place.ARENA, 4096, codes=(128, 255))
    result = builder.add_value((4, 2, 3), _signbin.Place.OUTPUT)
    builder.add_direct("quantize", given, codes, real=(1.0,))
    builder.add_direct("take", codes, moved, whole=(4, 6, 3, 5, 1))
    builder.add_direct("dequantize", moved, result, real=(1.0,))
    x = RNG.integers(-128, 128, (2, 4, 6, 3)).astype(np.float32)
    y = np.full((2, 4, 2, 3), np.nan, np.float32)
    builder.finish().run([x], [y], 2)
    np.testing.assert_array_equal(y, x[:, :, [5, 1]])


WALKS = {
    "transpose": ((0, 1, 1, 1, 6, 4, 0, 0, 0, 1, 6), (6, 1, 4), lambda x: x.swapaxes(1, 3)),
    "slice": ((1, 1, 1, 4, 1, 3, 0, 0, 6, 0, 2), (4, 1, 3), lambda x: x[..., 1::2]),
    "turned": ((5, 1, 1, 4, 1, 6, 0, 0, 6, 0, -1), (4, 1, 6), lambda x: x[..., ::-1]),
    "repeated": ((0, 1, 1, 4, 3, 6, 0, 0, 6, 0, 1), (4, 3, 6), lambda x: x.repeat(3, 2)),
}


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_walks_take_elements_where_their_steps_lead(oracle, isa, threads, walk):
    whole, shape, expected = WALKS[walk]
    x = normal(2, 4, 1, 6)
    found = made(oracle, isa, "strided", x, shape, whole=whole, threads=threads)
    np.testing.assert_array_equal(found, expected(x).reshape(2, *shape))


@pytest.mark.parametrize("sizes", [(3, 16, 16), (2, 37, 21), (1, 15, 40), (1, 40, 15)])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ISAS)
def test_matrices_are_turned_in_squares_and_what_is_left_of_them(oracle, isa, threads, sizes):
    matrices, rows, columns = sizes
    x = normal(2, matrices, rows, columns)
    whole = (0, 1, 1, matrices, columns, rows, 0, 0, rows * columns, 1, columns)
    turned = (matrices, columns, rows)
    found = made(oracle, isa, "strided", x, turned, whole=whole, threads=threads)
    np.testing.assert_array_equal(found, x.swapaxes(2, 3))


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("isa", ISAS)
def test_walks_keep_codes(isa, walk):
    whole, shape, expected = WALKS[walk]
    builder = _signbin.Builder(isa, 1 << 16)
    given = builder.add_value((4, 1, 6), _signbin.Place.INPUT)
    codes = builder.add_value((4, 1, 6), _signbin.Place.ARENA, 0, codes=(128, 255))
    moved = builder.add_value(shape, _signbin.Place.ARENA, 4096, codes=(128, 255))
    result = builder.add_value(shape, _signbin.Place.OUTPUT)
    builder.add_direct("quantize", given, codes, real=(1.0,))
    builder.add_direct("strided", codes, moved, whole=whole)
    builder.add_direct("dequantize", moved, result, real=(1.0,))
    x = RNG.integers(-128, 128, (2, 4, 1, 6)).astype(np.float32)
    y = np.full((2, *shape), np.nan, np.float32)
    builder.finish().run([x], [y], 2)
    np.testing.assert_array_equal(y, expected(x).reshape(2, *shape))


@pytest.mark.parametrize(
    ("op", "stated"),
    [
        ("strided", {"whole": (0, 1, 1, 4, 1, 6, 0, 0, 6, 0, 2)}),
        ("strided", {"whole": (0, 1, 1, 4, 1, 6, 0, 0, 6, 0, -1)}),
        ("strided", {"whole": (0, 1, 1, 4, 1, 5, 0, 0, 6, 0, 1)}),
        ("strided", {"whole": (0, 0, 1, 4, 1, 6, 0, 0, 6, 0, 1)}),
        ("strided", {"whole": (0, 2**28, 2**28, 2**28, 2**28, 2**28, 0, 0, 0, 0, 0)}),
        ("strided", {"whole": (0, 1, 1, 4, 1, 6)}),
        ("strided", {}),
        ("take", {"whole": (4, 6, 1)}),
        ("take", {"whole": (4, 6, 1, 0, 1, 2, 3, 4)}),
        ("take", {"whole": (4, 6, 1, 0, 1, 2, 3, 4, 6)}),
        ("take", {"whole": (4, 6, 1, 0, 1, 2, 3, 4, -1)}),
        ("take", {"whole": (2**28, 2**28, 2**28, 0)}),
        ("take", {"whole": (4, 6)}),
        ("scale_rows", {"whole": (5,)}),
        ("scale_rows", {"whole": (4,), "scale": np.ones(5, np.float32)}),
        ("scale_rows", {"whole": (4,), "epilogue": {"residual": 0}}),
        ("normalize_rows", {"whole": (4,), "real": (-2.0,)}),
        ("softmax_rows", {"whole": (4, 6, 2)}),
        ("softmax_rows", {"whole": (2**28, 2**28, 2**28)}),
        ("reduce", {"whole": (3, 4, 6, 1), "real": (1.0,)}),
        ("reduce", {"whole": (0, 4, 6, 1), "real": (1.0,)}),
        ("matmul", {"whole": (1, 4, 6, 1)}),
        ("fill", {}),
        ("fill", {"scale": np.ones(23, np.float32)}),
    ],
)
def test_numbers_that_do_not_fit_are_refused(oracle, op, stated):
    layer = oracle.OneLayer("portable", (4, 1, 6), (4, 1, 6))
    more = {"epilogue": _signbin.Epilogue(**stated["epilogue"])} if "epilogue" in stated else {}
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        layer.builder.add_direct(op, layer.input, layer.output, **{**stated, **more})
