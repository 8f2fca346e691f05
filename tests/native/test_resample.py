"""Pixels by tables of rows and columns, against numpy: any view to any other, numbers and codes."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ISAS = list(
    dict.fromkeys(row.isa for row in native.kernels() if row.usable and row.op == "resample")
)
SIZES = [((1, 1), (1, 1)), ((5, 3), (10, 6)), ((7, 9), (4, 21)), ((16, 16), (32, 32))]
BLOCKS = [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (3, 2)), ((2, 1), (1, 2))]


def finer(x, block):
    """Channels of blocks of D x A pixels as the pixels they are."""
    images, channels, height, width = x.shape
    down, across = block
    apart = x.reshape(images, channels // (down * across), down, across, height, width)
    rows = apart.transpose(0, 1, 4, 2, 5, 3)
    return rows.reshape(images, -1, height * down, width * across)


def coarser(x, block):
    images, channels, height, width = x.shape
    down, across = block
    apart = x.reshape(images, channels, height // down, down, width // across, across)
    blocks = apart.transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(images, -1, height // down, width // across)


def looked_up(x, tables, blocks, fill):
    """The definition: of finer images, row and column by row and column."""
    fine = finer(x, blocks[0])
    rows, columns = (np.asarray(table) for table in tables)
    y = fine[:, :, rows][..., columns]
    y[:, :, rows < 0] = fill
    y[..., columns < 0] = fill
    return coarser(y, blocks[1])


def tables_for(rng, size, made, blocks):
    """For every finer row and column of the result any of the input, or none."""
    return [
        rng.integers(-1, size[axis] * blocks[0][axis], made[axis] * blocks[1][axis]).tolist()
        for axis in range(2)
    ]


def form(isa, size, channels, kind):
    """A lane-blocked layout with a halo of its own; None for a plain value."""
    lanes = _signbin.isa_lanes(isa, kind)
    return (lanes, lanes, 1, -(-size[0] // lanes), size[1], 1, 2, 1, 0, channels + 1)


def run(isa, x, made, blocks, tables, fill, *, lanes=(False, False), codes=None):
    """input -> a value of either layout -> resample -> another -> output."""
    builder, arena = _signbin.Builder(isa, 1 << 22), _signbin.Place.ARENA
    kind, given = ("f32", None) if codes is None else ("u8", codes.native)
    shapes = (x.shape[1:], made)
    source = builder.add_value(shapes[0], _signbin.Place.INPUT)
    held = []
    for number, (shape, blocked) in enumerate(zip(shapes, lanes, strict=True)):
        layout = form(isa, shape[1:], shape[0], kind) if blocked else None
        held.append(builder.add_value(shape, arena, number << 21, layout, 0, given))
    target = builder.add_value(shapes[1], _signbin.Place.OUTPUT)
    enters, leaves = ("flatten", "flatten") if codes is None else ("quantize", "dequantize")
    real = () if codes is None else (1.0,)
    builder.add_direct(enters, source, held[0], real=real)
    whole = (*blocks[0], *blocks[1], *tables[0], *tables[1])
    builder.add_direct("resample", held[0], held[1], whole=whole, real=(float(fill),))
    builder.add_direct(leaves, held[1], target, real=real)
    y = np.full((len(x), *made), np.nan, np.float32)
    zero = 0 if codes is None else codes.zero
    builder.finish().run([(x - np.float32(zero)).astype(np.float32)], [y], len(x))
    return y + zero


def shapes_of(size, made, blocks):
    given, wanted = (int(np.prod(block)) for block in blocks)
    return (3 * given, *size), (3 * wanted, *made)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_numbers_are_those_of_the_pixels_that_the_tables_say(isa, sizes, blocks):
    rng, (size, made) = np.random.default_rng(0), sizes
    given, result = shapes_of(size, made, blocks)
    x = rng.standard_normal((2, *given)).astype(np.float32)
    x[0, 0, 0, 0] = np.nan
    tables = tables_for(rng, size, made, blocks)
    expected = looked_up(x, tables, blocks, -np.inf)
    for lanes in ((False, False), (True, False), (False, True), (True, True)):
        actual = run(isa, x, result, blocks, tables, -np.inf, lanes=lanes)
        np.testing.assert_array_equal(actual, expected, err_msg=str(lanes))


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_codes_stay_and_the_fill_is_a_code(codes_oracle, isa, sizes, blocks):
    rng, (size, made) = np.random.default_rng(1), sizes
    given, result = shapes_of(size, made, blocks)
    codes = codes_oracle.Quantized(64, 127)
    q = codes.random(rng, (2, *given))
    tables = tables_for(rng, size, made, blocks)
    expected = looked_up(q, tables, blocks, 99)
    for lanes in ((False, False), (True, False), (False, True), (True, True)):
        actual = run(isa, q, result, blocks, tables, 99, lanes=lanes, codes=codes)
        np.testing.assert_array_equal(actual, expected, err_msg=str(lanes))


@pytest.mark.parametrize("isa", ISAS)
def test_the_halo_behind_a_resize_holds_what_neighbouring_blocks_do(isa):
    """A window reads the value in place: a border of it must not be left as it was."""
    x = np.random.default_rng(2).standard_normal((2, 3, 8, 8)).astype(np.float32)
    rows = np.repeat(np.arange(8), 2).tolist()
    builder, lanes = _signbin.Builder(isa, 1 << 22), _signbin.isa_lanes(isa)
    source = builder.add_value((3, 8, 8), _signbin.Place.INPUT)
    down = max(lanes // 2, 1)
    blocks = (lanes, down, lanes // down, -(-16 // down), 16 // (lanes // down))
    layout = (*blocks, 1, 1, 1, 1, 3)
    held = builder.add_value((3, 16, 16), _signbin.Place.ARENA, 0, layout, -np.inf)
    target = builder.add_value((3, 16, 16), _signbin.Place.OUTPUT)
    builder.add_direct("resample", source, held, whole=(1, 1, 1, 1, *rows, *rows), real=(0.0,))
    builder.add_direct("max_pool2d", held, target, (3, 3, 1, 1, 1, 1, 1, 1, 1, 1))
    y = np.empty((2, 3, 16, 16), np.float32)
    builder.finish().run([x], [y], 2)
    around = np.pad(x.repeat(2, 2).repeat(2, 3), ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    views = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (2, 3))
    np.testing.assert_array_equal(y, views.max((4, 5)))


def test_threads_share_the_work_and_the_bits_are_the_same():
    x = np.random.default_rng(3).standard_normal((2, 3, 9, 11)).astype(np.float32)
    rows, columns = np.repeat(np.arange(9), 2).tolist(), np.arange(11)[::-1].tolist()
    for threads in (1, 3):
        builder = _signbin.Builder("auto", 0, 0, threads)
        source = builder.add_value((3, 9, 11), _signbin.Place.INPUT)
        target = builder.add_value((3, 18, 11), _signbin.Place.OUTPUT)
        whole = (1, 1, 1, 1, *rows, *columns)
        builder.add_direct("resample", source, target, whole=whole, real=(0.0,))
        y = np.empty((2, 3, 18, 11), np.float32)
        builder.finish().run([x], [y], 2)
        np.testing.assert_array_equal(y, x.repeat(2, 2)[..., ::-1])


BROKEN = {
    "a row beyond the image": ((1, 1, 1, 1, 0, 4, 0, 1), 0.0, "entry 1 of the rows is 4"),
    "a column below none": ((1, 1, 1, 1, 0, 1, -2, 1), 0.0, "entry 0 of the columns is -2"),
    "too few": ((1, 1, 1, 1, 0, 1, 0), 0.0, r"allowed: 4 \+ 2 rows \+ 2 columns"),
    "no tables": ((1, 1, 1, 1), 0.0, r"allowed: 4 \+ 2 rows"),
    "no numbers": ((), 0.0, "0 whole numbers; allowed: 4"),
    "blocks that do not fit": ((2, 1, 1, 1, 0, 1, 0, 1), 0.0, "3 channels in blocks of 2 x 1"),
    "blocks of nothing": ((0, 1, 1, 1, 0, 1, 0, 1), 0.0, "block of the input 0; allowed: 1"),
    "a fill that is no number": ((1, 1, 1, 1, 0, 1, 0, 1), float("nan"), "fill nan"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_tables_that_do_not_fit_are_refused(case):
    whole, fill, message = BROKEN[case]
    builder = _signbin.Builder("scalar", 0)
    source = builder.add_value((3, 4, 4), _signbin.Place.INPUT)
    target = builder.add_value((3, 2, 2), _signbin.Place.OUTPUT)
    with pytest.raises(_signbin.StatusError, match=message):
        builder.add_direct("resample", source, target, whole=whole, real=(fill,))


@pytest.mark.parametrize("fill", [-1.0, 0.5, 128.0, float("inf")])
def test_a_fill_that_is_no_code_is_refused(codes_oracle, fill):
    codes = codes_oracle.Quantized(64, 127)
    program = codes_oracle.Program("scalar", ((3, 2, 2), (3, 2, 2)), (codes, codes))
    with pytest.raises(_signbin.StatusError, match=r"allowed: a code, 0\.\.127"):
        program.builder.add_direct(
            "resample",
            *(program.input, program.output),
            whole=(1, 1, 1, 1, 0, 1, 0, 1),
            real=(fill,),
        )
