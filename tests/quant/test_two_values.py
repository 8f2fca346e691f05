"""Two values per filter: exact densities, caps, annealing, offsets, and their corners."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant import (
    Backward,
    Binary,
    Offset,
    QConv2d,
    QuantConfig,
    SignedBinary,
    StraightThrough,
    quantizer_from_json,
)
from signbin.quant.quantizers.signed_binary import CHUNK_CODES
from signbin.spec import ScaleKind

SHAPES = [(7, 5, 3, 3), (6, 40), (4, 90, 3, 3)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
PLAIN = SignedBinary.released()


def latent_of(shape: tuple[int, ...]) -> Tensor:
    """Laplacian filters, a dead one and one of the wrong sign among them."""
    weight = np.random.default_rng(5).laplace(size=shape).astype(np.float32)
    weight[1], weight[0] = 0.0, -np.abs(weight[0])
    return torch.from_numpy(weight)


def quantised(quantizer: SignedBinary, weight: Tensor, backward: Backward | None = None) -> Tensor:
    state = {name: each.value for name, each in quantizer.initial_state(weight).items()}
    return quantizer.quantize(weight, state, backward)


def at(progress: float, *, training: bool = True) -> Backward:
    return Backward(StraightThrough(), torch.tensor(progress), training)


def along_sign(weight: Tensor) -> NDArray[np.float32]:
    """b*w, one row per filter."""
    signs = np.where(np.arange(len(weight)) < len(weight) // 2, 1.0, -1.0)
    rows: NDArray[np.float32] = weight.numpy().reshape(len(weight), -1) * signs[:, None]
    return rows


def codes_of(quantized: Tensor) -> NDArray[np.bool_]:
    """Which weights of a filter are not its zero, whatever offset was added."""
    rows = along_sign(quantized)
    return rows > rows.min(1, keepdims=True)


def natural_counts(weight: Tensor, factor: float = 0.05) -> NDArray[np.int64]:
    rows = along_sign(weight)
    threshold = factor * np.abs(rows).max(1, keepdims=True)
    counts: NDArray[np.int64] = ((rows >= threshold) & (rows > 0)).sum(1)
    return counts


# --- density, cap, annealing -------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("density", [0.001, 0.07, 0.12, 0.5, 0.9])
@pytest.mark.parametrize("offset", Offset)
def test_a_density_is_the_largest_share_of_every_filter_exactly(
    shape: tuple[int, ...], density: float, offset: Offset
) -> None:
    weight = latent_of(shape)
    found = codes_of(quantised(SignedBinary(density=density, offset=offset), weight))
    rows = along_sign(weight)
    count = max(1, round(density * rows.shape[1]))
    assert (found.sum(1) == count).all()
    for row, chosen in zip(rows, found, strict=True):
        assert row[chosen].min() >= row[~chosen].max()


@shapes
@pytest.mark.parametrize("scale", [ScaleKind.HE, ScaleKind.NONE, ScaleKind.MEAN])
def test_weights_of_a_given_density_are_a_fixed_point(
    shape: tuple[int, ...], scale: ScaleKind
) -> None:
    for offset in Offset:
        if offset is Offset.CENTRED and scale is ScaleKind.MEAN:
            continue  # the scale shrinks, as without a density
        quantizer = SignedBinary(density=0.12, offset=offset, scale=scale)
        state = {k: v.value for k, v in quantizer.initial_state(latent_of(shape)).items()}
        if offset is Offset.LEARNED and scale is ScaleKind.MEAN:
            state["weight_offset"].zero_()  # the mean of a shifted weight is another one
        once = quantizer.quantize(latent_of(shape), state)
        assert torch.equal(quantizer.quantize(once, state), once)


@shapes
def test_a_cap_keeps_the_largest_and_leaves_filters_below_it_alone(shape: tuple[int, ...]) -> None:
    weight = latent_of(shape)
    found = codes_of(quantised(dataclasses.replace(PLAIN, chunks=1), weight))
    rows, natural = along_sign(weight), natural_counts(weight)
    assert (found.sum(1) == np.minimum(natural, CHUNK_CODES)).all()
    for row, chosen in zip(rows, found, strict=True):
        if chosen.any() and not chosen.all():
            assert row[chosen].min() >= row[~chosen].max()
    capped = codes_of(quantised(SignedBinary(density=0.5, chunks=1), weight))
    assert (capped.sum(1) == min(round(0.5 * rows.shape[1]), CHUNK_CODES)).all()


def test_the_cap_is_what_fits_sixteen_bits() -> None:
    assert CHUNK_CODES * 255 == 2**16 - 1


@shapes
def test_annealing_goes_from_the_natural_density_to_the_given_one(shape: tuple[int, ...]) -> None:
    weight = latent_of(shape)
    quantizer = SignedBinary(density=0.1, anneal=0.5, scale=ScaleKind.NONE, offset=Offset.NONE)
    natural, last = natural_counts(weight), max(1, round(0.1 * weight[0].numel()))
    for progress, done in ((0.0, 0.0), (0.125, 0.25), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)):
        found = quantised(quantizer, weight, at(progress)).flatten(1).count_nonzero(1).numpy()
        assert (found == np.round(natural + (last - natural) * done)).all()
    assert torch.equal(quantised(quantizer, weight, at(0.0)), quantised(PLAIN, weight))
    exact = quantised(quantizer, weight)
    assert torch.equal(quantised(quantizer, weight, at(0.1, training=False)), exact)
    annealed = quantised(quantizer, weight, at(0.5))
    alive = weight.flatten(1).any(1)  # weights that are all equal may tie in another way
    assert torch.equal(annealed[alive], exact[alive])


@pytest.mark.parametrize("progress", [0.1, 0.9])
def test_every_weight_learns_while_annealing_by_the_centred_gradient(progress: float) -> None:
    weight = latent_of((7, 5, 3, 3)).requires_grad_()
    gradient = torch.randn(weight.shape)
    quantised(SignedBinary(density=0.1, anneal=0.5), weight, at(progress)).backward(gradient)
    mean = gradient.flatten(1).mean(1).reshape(-1, 1, 1, 1)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, math.sqrt(2 / 45) * (gradient - mean))


# --- offset and scale --------------------------------------------------------------------------


def test_a_learned_offset_starts_centred_and_learns_by_the_sum_of_the_gradient() -> None:
    weight = latent_of((8, 5, 3, 3))
    plain = torch.nn.Conv2d(5, 8, 3, bias=False)
    plain.weight.data.copy_(weight)
    layer = QConv2d.from_float(plain, QuantConfig(SignedBinary(offset=Offset.LEARNED)))
    centred = quantised(SignedBinary(), weight)
    torch.testing.assert_close(layer.quantized_weight().detach(), centred)
    gradient = torch.randn(weight.shape)
    layer.quantized_weight().backward(gradient)
    offset = layer.get_parameter("weight_offset")
    assert offset.grad is not None
    expected = math.sqrt(2 / 45) * gradient.flatten(1).sum(1)
    torch.testing.assert_close(offset.grad, expected)
    offset.data.mul_(-0.3)
    exact = layer.eval().quantized_weight().detach().numpy()
    assert np.array_equal(layer.low_bit().dequantized(), exact)


def test_binary_is_the_corner_of_half_an_offset_and_no_threshold() -> None:
    weight = torch.randn(6, 4, 3, 3)
    quantizer = SignedBinary(threshold_factor=0.0, offset=Offset.LEARNED, scale=ScaleKind.NONE)
    state = {name: each.value for name, each in quantizer.initial_state(weight).items()}
    state["weight_offset"] = -0.5 * state["weight_sign"].flatten().float()
    binary = Binary(scale=ScaleKind.NONE).quantize(weight, {})
    assert torch.equal(2 * quantizer.quantize(weight, state), binary)


def test_the_he_scale_is_a_constant_of_the_shape() -> None:
    for quantizer in (SignedBinary.released(scale=ScaleKind.HE), Binary()):
        for shape in ((4, 3, 3, 3), (4, 27)):
            state = {k: v.value for k, v in quantizer.initial_state(torch.randn(shape)).items()}
            values = quantizer.quantize(torch.randn(shape), state)
            assert values.abs().max().item() == pytest.approx(math.sqrt(2 / 27))


# --- configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize(("flag", "offset"), [(True, Offset.CENTRED), (False, Offset.NONE)])
def test_a_configuration_with_the_former_flag_still_loads(flag: bool, offset: Offset) -> None:
    read = quantizer_from_json({"kind": "signed_binary", "centred": flag, "scale": "mean"})
    assert read == SignedBinary(offset=offset, scale=ScaleKind.MEAN)


def test_the_former_name_of_the_straight_through_estimator_still_loads() -> None:
    read = QuantConfig.from_json({"estimator": {"kind": "identity"}})
    assert read.estimator == StraightThrough()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0.0}, "density: got 0.0; allowed: a number, 0 < value <= 1"),
        ({"density": 1.1}, "density"),
        ({"density": "0.1"}, "density"),
        ({"anneal": 0.5}, "anneal: got 0.5; allowed: 0 without a density .*give the density"),
        ({"density": 0.1, "anneal": 1.5}, "anneal"),
        ({"chunks": 0}, "chunks: got 0; allowed: a whole number, 1 <= "),
        ({"chunks": 1.0}, "chunks"),
        ({"offset": "centred"}, "offset"),
    ],
)
def test_options_outside_their_range_are_refused_by_name(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        SignedBinary(**options)  # type: ignore[arg-type]  # the test


@pytest.mark.parametrize(
    "document", [{"centred": 1}, {"centred": True, "offset": "centred"}, {"centred": None}]
)
def test_a_wrong_former_flag_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=r"signed_binary\.centred"):
        quantizer_from_json({"kind": "signed_binary", **document})
