"""Pixels between four others: kernels against numpy, on codes exactly."""

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable and row.op == "blend"))
SIZES = [((1, 1), (3, 5)), ((5, 7), (5, 7)), ((9, 4), (17, 50)), ((29, 31), (3, 2))]
PARTS = {"f32": 2**24, "u8": 2**11}


def tables_for(rng, size, made, kind):
    """Any rows and columns, and any shares, none and all among them."""
    places = [rng.integers(0, size[axis], made[axis]) for axis in range(2)]
    shares = [rng.integers(0, PARTS[kind] + 1, made[axis]) for axis in range(2)]
    for share in shares:
        share[0], share[-1] = 0, PARTS[kind]
    return places, shares


def blended(x, places, shares, parts):
    """The definition, rows first, in float64."""
    rows, columns = places
    below, beside = (np.minimum(at + 1, x.shape[2 + axis] - 1) for axis, at in enumerate(places))
    down, across = shares[0][:, None] / parts, shares[1] / parts
    y = x[:, :, rows] * (1 - down) + x[:, :, below] * down
    return y[..., columns] * (1 - across) + y[..., beside] * across


def form(isa, size, channels, kind):
    lanes = _signbin.isa_lanes(isa, kind)
    return (lanes, lanes, 1, -(-size[0] // lanes), size[1], 1, 2, 1, 0, channels + 1)


def run(isa, x, made, whole, *, lanes, codes=None, threads=1):
    """input -> a value of either layout -> blend -> another -> output."""
    builder, arena = _signbin.Builder(isa, 1 << 22, 0, threads), _signbin.Place.ARENA
    kind, given = ("f32", None) if codes is None else ("u8", codes.native)
    shapes = (x.shape[1:], (x.shape[1], *made))
    source = builder.add_value(shapes[0], _signbin.Place.INPUT)
    held = []
    for number, (shape, blocked) in enumerate(zip(shapes, lanes, strict=True)):
        layout = form(isa, shape[1:], shape[0], kind) if blocked else None
        held.append(builder.add_value(shape, arena, number << 21, layout, 0, given))
    target = builder.add_value(shapes[1], _signbin.Place.OUTPUT)
    enters, leaves = ("flatten", "flatten") if codes is None else ("quantize", "dequantize")
    real = () if codes is None else (1.0,)
    builder.add_direct(enters, source, held[0], real=real)
    builder.add_direct("blend", held[0], held[1], whole=whole)
    builder.add_direct(leaves, held[1], target, real=real)
    y = np.full((len(x), *shapes[1]), np.nan, np.float32)
    zero = 0 if codes is None else codes.zero
    builder.finish().run([(x - np.float32(zero)).astype(np.float32)], [y], len(x))
    return y + zero


def whole_of(places, shares):
    return tuple(int(number) for part in (*places, *shares) for number in part)


LAYOUTS = ((False, False), (True, False), (False, True), (True, True))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_numbers_lie_between_four_pixels(isa, sizes):
    rng, (size, made) = np.random.default_rng(0), sizes
    x = rng.standard_normal((2, 3, *size)).astype(np.float32)
    places, shares = tables_for(rng, size, made, "f32")
    expected = blended(x.astype(np.float64), places, shares, PARTS["f32"])
    for lanes in LAYOUTS:
        for threads in (1, 3):
            actual = run(isa, x, made, whole_of(places, shares), lanes=lanes, threads=threads)
            # four float32 roundings of numbers of at most a few
            np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6, err_msg=str(lanes))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_codes_are_exact_and_round_half_up(codes_oracle, isa, sizes):
    rng, (size, made) = np.random.default_rng(1), sizes
    codes = codes_oracle.Quantized(64, 255)
    q = codes.random(rng, (2, 3, *size))
    places, shares = tables_for(rng, size, made, "u8")
    exact = blended(q.astype(np.float64), places, shares, PARTS["u8"])
    for lanes in LAYOUTS:
        actual = run(isa, q, made, whole_of(places, shares), lanes=lanes, codes=codes)
        np.testing.assert_array_equal(actual, np.floor(exact + 0.5), err_msg=str(lanes))


BROKEN = {
    "a row beyond the image": (0, 4, "entry 0 of the rows is 4; allowed: 0..3"),
    "no row": (1, -1, "entry 1 of the rows is -1"),
    "a column beyond the image": (3, 9, "entry 1 of the columns is 9"),
    "a share below none": (4, -1, r"share 0 is -1; allowed: 0\.\.16777216"),
    "a share of more than all": (7, 2**24 + 1, "share 1 is 16777217"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_tables_that_do_not_fit_are_refused(case):
    at, wrong, message = BROKEN[case]
    builder = _signbin.Builder("scalar", 0)
    source = builder.add_value((3, 4, 4), _signbin.Place.INPUT)
    target = builder.add_value((3, 2, 2), _signbin.Place.OUTPUT)
    whole = [0] * 8
    whole[at] = wrong
    with pytest.raises(_signbin.StatusError, match=message):
        builder.add_direct("blend", source, target, whole=tuple(whole))
    for count in (0, 7, 9):
        with pytest.raises(_signbin.StatusError, match="2 rows, 2 columns"):
            builder.add_direct("blend", source, target, whole=(0,) * count)
    other = builder.add_value((2, 2, 2), _signbin.Place.OUTPUT)
    with pytest.raises(_signbin.StatusError, match="as many channels"):
        builder.add_direct("blend", source, other, whole=(0,) * 8)
