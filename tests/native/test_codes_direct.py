"""Pooling, elementwise steps, conversions and layouts of 8-bit codes against numpy, exactly."""

import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ROWS = [row for row in native.kernels() if row.activations == "u8" and row.usable]
ISAS = list(dict.fromkeys(row.isa for row in ROWS if row.strategy == "direct"))
PLAIN = _signbin.Epilogue()
DIRECT = ("avg_pool2d", "blend", "channels", "elementwise", "look_up", "max_pool2d", "multiply")
DIRECT += ("resample", "strided", "subsample_pad", "take")
SIZES = [(1, 1), (5, 3), (7, 7), (13, 17), (2, 29), (28, 28)]
CHANNELS = [1, 3, 16, 37]
# Blocks depend on the size, pitches on the channels, hardly on both: at most sizes few channels.
IMAGES = [
    pytest.param(size, channels, marks=[] if size == (5, 3) or channels == 3 else pytest.mark.wide)
    for size in SIZES
    for channels in CHANNELS
]
WINDOWS = [  # kernel, stride, padding, size
    ((2, 2), (2, 2), (0, 0), (6, 6)),
    ((3, 3), (2, 2), (1, 1), (13, 17)),
    ((3, 2), (1, 3), (1, 0), (7, 11)),
    ((3, 3), (2, 2), (0, 0, 1, 1), (8, 12)),
    ((2, 4), (2, 3), (1, 0, 0, 3), (7, 9)),
    ((1, 1), (1, 1), (0, 0), (1, 1)),
    ((5, 11), (1, 1), (0, 0), (5, 11)),
]


def test_every_row_on_codes_is_of_a_kind_that_is_tested() -> None:
    tested = {
        ("dense", "conv2d"),
        ("dense", "linear"),
        ("bucket", "conv2d"),
        ("bucket", "linear"),
        *(("sums", op) for op in ("conv2d", "linear")),
        *(("bitserial", op) for op in ("conv2d", "linear")),
        *(("table", op) for op in ("conv2d", "linear")),
        *(("direct", op) for op in DIRECT),
        *(("layout", op) for op in ("halo", "relayout", "sum_channels", "bytes")),
        *(("layout", op) for op in ("quantize", "dequantize")),
    }
    assert {(row.strategy, row.op) for row in ROWS} == tested


def layout_of(isa, size, blocks_x, halo, pitch):
    lanes = _signbin.isa_lanes(isa, "u8")
    blocks_x = min(blocks_x, lanes)
    blocks_y = lanes // blocks_x
    height, width = -(-size[0] // blocks_y), -(-size[1] // blocks_x)
    return (lanes, blocks_y, blocks_x, height, width, *halo, pitch)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("size", "channels"), IMAGES)
@pytest.mark.parametrize("isa", ISAS)
def test_conversions_and_relayouts_move_every_code_and_change_none(
    codes_oracle, isa, size, channels, signed
):
    rng = np.random.default_rng(channels)
    codes = codes_oracle.Quantized(128 if signed else 0)
    q = codes.random(rng, (2, channels, *size))
    halos = [(0, 0, 0, 0), (1, 1, 1, 1), (3, 0, 2, 5)]
    for halo, (first, second) in itertools.product(halos, [(1, 2), (16, 4), (4, 1)]):
        program = codes_oracle.Program(isa, ((channels, *size),) * 2, (codes, codes), threads=2)
        layouts = (
            layout_of(isa, size, first, halo, channels),
            layout_of(isa, size, second, halo[::-1], channels + 3),
        )
        last = program.input
        for layout in (*layouts, layouts[0]):
            value = program.value((channels, *size), codes, layout=layout, fill=codes.zero)
            program.builder.add_direct("flatten", last, value)
            last = value
        program.builder.add_direct("flatten", last, program.output)
        np.testing.assert_array_equal(program.run(q), q)


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_quantisation_rounds_to_even_and_saturates(codes_oracle, isa, size, bits):
    rng = np.random.default_rng(0)
    top = 2**bits - 1
    for codes in (codes_oracle.Quantized(0, top), codes_oracle.Quantized(2 ** (bits - 1), top)):
        x = rng.normal(0, 100, (1, 3, *size)).astype(np.float32)
        x.reshape(-1)[:: max(1, x.size // 7)] = np.resize(
            np.float32([0.5, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e30]), 8
        )[: x.reshape(-1)[:: max(1, x.size // 7)].size]
        for given, taken in itertools.product((None, 1, 4), repeat=2):
            builder = _signbin.Builder(isa, 1 << 22)
            shape, arena = (3, *size), _signbin.Place.ARENA
            source = builder.add_value(shape, _signbin.Place.INPUT)
            if given:
                lanes = _signbin.isa_lanes(isa)
                blocked = (lanes, max(lanes // given, 1), min(given, lanes))
                block = (-(-size[0] // blocked[1]), -(-size[1] // blocked[2]))
                number = builder.add_value(shape, arena, 0, (*blocked, *block, 1, 1, 1, 1, 3))
                builder.add_direct("flatten", source, number)
                source = number
            form = None if taken is None else layout_of(isa, size, taken, (1, 2, 3, 0), 4)
            held = builder.add_value(shape, arena, 1 << 21, form, codes.zero, codes.native)
            builder.add_direct("quantize", source, held, real=(0.25,))
            target = builder.add_value(shape, _signbin.Place.OUTPUT)
            builder.add_direct("dequantize", held, target, real=(0.75,))
            y = np.full_like(x, np.nan)
            builder.finish().run([x], [y], 1)
            q = codes_oracle.requantize(x * np.float32(0.25), codes)
            expected = (q - codes.zero).astype(np.float32) * np.float32(0.75)
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("made_by", ["exchange", "quantisation of blocks"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("size", "channels"), IMAGES)
@pytest.mark.parametrize("isa", ISAS)
def test_a_halo_holds_the_neighbours_and_zeros_outside(
    oracle, codes_oracle, isa, size, channels, *, threads, made_by
):
    """A window of ones over a halo of exactly its reach sums what numpy sums."""
    rng = np.random.default_rng(channels)
    codes, sums = codes_oracle.Quantized(128), codes_oracle.Quantized(128)
    q = codes.random(rng, (1, channels, *size))
    conv = oracle.Conv(channels, size, channels, (5, 3), (1, 1), (2, 1), (1, 1), channels)
    ones = np.ones(channels, np.float32)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.BUCKET,
        codes=np.ones(15 * channels, np.int8),
        scale=ones / 15,
        tile=(1, 1, 1),
    )
    exact, _ = codes_oracle.exact_convolution(q, np.ones((channels, 1, 5, 3), np.int8), conv, 128)
    expected = codes_oracle.Chain(ones / 15).finish(exact, output=sums)
    for blocks_x, halo in itertools.product((1, 2, 16), ((2, 2, 1, 1), (4, 3, 2, 1))):
        program = codes_oracle.Program(isa, ((channels, *size),) * 2, (codes, sums), threads)
        layout = layout_of(isa, size, blocks_x, halo, channels + 1)
        held = program.value((channels, *size), codes, layout=layout, fill=128)
        if made_by == "exchange":
            program.builder.add_direct("elementwise", program.input, held, scale=ones)
        else:
            blocked = layout_of(isa, size, blocks_x, (0, 0, 0, 0), channels)
            numbers = (_signbin.isa_lanes(isa), *blocked[1:])
            if numbers[0] != blocked[0]:
                continue  # the isa has other numbers of lanes, and blocks, for float32
            real = program.value((channels, *size), None, layout=numbers)
            program.builder.add_direct("dequantize", program.input, real, real=(1.0,))
            program.builder.add_direct("quantize", real, held, real=(1.0,))
        program.builder.add_conv2d(held, program.output, conv.window, channels, weight, PLAIN)
        np.testing.assert_array_equal(program.run(q), expected)


def pooled(codes_oracle, isa, op, conv, codes, **how):
    program = codes_oracle.Program(
        isa,
        ((5, *conv.size), (5, *conv.output)),
        (codes, how.pop("result", codes)),
        how.pop("threads", 1),
    )
    program.builder.add_direct(op, program.input, program.output, conv.window, **how)
    return program


@pytest.mark.parametrize("zero", [0, 128])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("isa", ISAS)
def test_max_pooling_takes_the_largest_code(oracle, codes_oracle, isa, window, zero):
    codes = codes_oracle.Quantized(zero)
    kernel, stride, padding, size = window
    q = codes.random(np.random.default_rng(1), (2, 5, *size)) // 2
    conv = oracle.Conv(5, size, 5, kernel, stride, padding, (1, 1), 5)
    program = pooled(codes_oracle, isa, "max_pool2d", conv, codes)
    expected = oracle.windows_of(q, conv).max(axis=(3, 4)).reshape(2, 5, *conv.output)
    np.testing.assert_array_equal(program.run(q), expected)
    assert program.kernels[1].startswith("sb_u8_direct_max_pool2d_")
    assert program.kernels[1].endswith("__" + isa)


@pytest.mark.parametrize("stored", ["codes", "float32"])
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("isa", ISAS)
def test_average_pooling_divides_then_scales(oracle, codes_oracle, isa, window, include, stored):
    codes = codes_oracle.Quantized(64, 127)
    kernel, stride, padding, size = window
    q = codes.random(np.random.default_rng(2), (2, 5, *size))
    result = codes_oracle.Quantized(128) if stored == "codes" else None
    conv = oracle.Conv(5, size, 5, kernel, stride, padding, (1, 1), 5)
    program = pooled(
        codes_oracle,
        isa,
        "avg_pool2d",
        conv,
        codes,
        result=result,
        whole=(include,),
        scale=np.full(5, 1.7, np.float32),
    )
    sums = oracle.windows_of(q - codes.zero, conv).sum(axis=(3, 4))
    taps = oracle.windows_of(np.ones_like(q), conv).sum(axis=(3, 4))
    taps = np.full_like(sums, np.prod(kernel)) if include else taps
    f = (sums.astype(np.float32) / taps.astype(np.float32)) * np.float32(1.7)
    f = f.reshape(2, 5, *conv.output)
    expected = f if result is None else codes_oracle.requantize(f, result)
    np.testing.assert_array_equal(program.run(q), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_elementwise_steps_are_the_chain(codes_oracle, isa, size):
    rng = np.random.default_rng(3)
    given, result = codes_oracle.Quantized(64, 127), codes_oracle.Quantized(128)
    q = given.random(rng, (2, 5, *size))
    scale, bias, slope, post = (rng.uniform(-2, 2, 5).astype(np.float32) for _ in range(4))
    for activation, residual, stored in itertools.product(
        _signbin.Activation, (None, 1), (result, None)
    ):
        chain = codes_oracle.Chain(
            scale, 20 * bias, None, 0.3, activation, 0, -10, 20, slope, 10 * post
        )
        program = codes_oracle.Program(isa, ((5, *size),) * 2, (given, stored))
        given_and_made = (program.input, program.output)
        program.builder.add_direct(
            "elementwise", *given_and_made, scale=scale, epilogue=chain.epilogue(residual)
        )
        steps = q - given.zero
        expected = chain.finish(steps, None, None if residual is None else steps, stored)
        np.testing.assert_array_equal(program.run(q), expected)


@pytest.mark.parametrize("border", [(0, 0, 0, 0), (0, 0, 1, 1), (2, 1, 0, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("isa", ISAS)
def test_subsample_pad_adds_pixels_and_channels_of_the_zero_point(
    codes_oracle, isa, stride, border
):
    codes = codes_oracle.Quantized(64, 127)
    q = codes.random(np.random.default_rng(4), (2, 3, 7, 8))
    top, left, bottom, right = border
    padded = np.pad(q, ((0, 0), (2, 1), (top, bottom), (left, right)), constant_values=64)
    expected = padded[:, :, :: stride[0], :: stride[1]]
    program = codes_oracle.Program(isa, ((3, 7, 8), expected.shape[1:]), (codes, codes))
    window = (1, 1, *stride, *border, 1, 1)
    program.builder.add_direct("subsample_pad", program.input, program.output, window, whole=(2, 1))
    np.testing.assert_array_equal(program.run(q), expected)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_joined_codes_are_the_chain_of_every_part(codes_oracle, isa, size, stored):
    rng = np.random.default_rng(6)
    given, result = codes_oracle.Quantized(64, 127), codes_oracle.Quantized(128) if stored else None
    q, factors = given.random(rng, (2, 5, *size)), np.float32([0.37, 2.5])
    program = codes_oracle.Program(isa, ((5, *size), (10, *size)), (given, result))
    program.builder.add_direct(
        "channels",
        *(program.input, program.output),
        whole=(0, 1),
        real=tuple(map(float, factors)),
        more=(program.input,),
    )
    steps = (q - given.zero).astype(np.float32)
    numbers = np.concatenate([steps * factor for factor in factors], axis=1)
    expected = codes_oracle.requantize(numbers, result) if stored else numbers
    np.testing.assert_array_equal(program.run(q), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_channels_keep_codes_that_mean_the_same(codes_oracle, isa):
    codes = codes_oracle.Quantized(64, 127)
    q = codes.random(np.random.default_rng(7), (2, 6, 7, 5))
    program = codes_oracle.Program(isa, ((6, 7, 5), (4, 7, 5)), (codes, codes))
    program.builder.add_direct("channels", program.input, program.output, whole=(1, 2))
    np.testing.assert_array_equal(program.run(q), q[:, [1, 3, 2, 4]])


@pytest.mark.parametrize("isa", ISAS)
def test_flatten_copies_codes_into_another_shape(codes_oracle, isa):
    codes = codes_oracle.Quantized()
    q = codes.random(np.random.default_rng(5), (2, 3, 4, 5))
    program = codes_oracle.Program(isa, ((3, 4, 5), (60,)), (codes, codes))
    program.builder.add_direct("flatten", program.input, program.output)
    np.testing.assert_array_equal(program.run(q), q.reshape(2, 60))


@pytest.mark.parametrize("isa", ISAS)
def test_copies_of_codes_are_their_numbers(codes_oracle, isa):
    codes = codes_oracle.Quantized(128)
    builder = _signbin.Builder(isa, 1 << 20)
    for place, given in (
        (_signbin.Place.INPUT, None),
        (_signbin.Place.ARENA, codes.native),
        (_signbin.Place.OUTPUT, None),
    ):
        layout = None if given is None else layout_of(isa, (4, 4), 2, (1, 1, 1, 1), 3)
        builder.add_value((3, 4, 4), place, 0, layout, 0 if given is None else 128, given)
    builder.add_direct("quantize", 0, 1, real=(1.0,))
    builder.add_direct("dequantize", 1, 2, real=(1.0,))
    q = codes.random(np.random.default_rng(6), (3, 3, 4, 4))
    copy, y = np.zeros(q.shape, np.float32), np.zeros(q.shape, np.float32)
    builder.finish().run([(q - 128).astype(np.float32)], [y], 3, [None, copy])
    np.testing.assert_array_equal(copy, q)
