"""What signed-binary, binary and ternary weights claim; each claim is false for the others.

The whole list of quantisers is held to its formulas in test_closed_forms.py.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant import Binary, Offset, Quantizer, SignedBinary, Ternary
from signbin.quant.quantizers.signed_binary import region_signs
from signbin.spec import Granularity, ScaleKind, ValueSet

PER_FILTER = Ternary(per=Granularity.FILTER, scale=ScaleKind.MEAN)
OTHERS = {
    "signed_binary": SignedBinary.released(),
    "signed_binary_regions": SignedBinary.released(region_channels=2),
    "signed_binary_mean": SignedBinary.released(scale=ScaleKind.MEAN),
    "signed_binary_centred": SignedBinary.released(offset=Offset.CENTRED),
    "signed_binary_tenth": SignedBinary.released(threshold_factor=0.1),
    "signed_binary_all_positive": SignedBinary.released(positive_share=1.0),
    "binary": Binary(scale=ScaleKind.MEAN),
    "binary_plain": Binary(scale=ScaleKind.NONE),
    "ternary": Ternary(scale=ScaleKind.MEAN),
    "ternary_plain": Ternary(scale=ScaleKind.NONE),
    "ternary_filter": PER_FILTER,
}


def quantized(quantizer: Quantizer, weight: Tensor) -> Tensor:
    state = {name: s.value for name, s in quantizer.initial_state(weight).items()}
    return quantizer.quantize(weight, state)


def random_weight(*shape: int) -> Tensor:
    """Laplacian weights with a dead filter in both halves and one of the wrong sign."""
    weight = np.random.default_rng(7).laplace(size=shape).astype(np.float32)
    weight[1] = 0.0
    weight[2] = -np.abs(weight[2])
    weight[-2] = 0.0
    return torch.from_numpy(weight)


def signed_binary_oracle(weight: Tensor, signs: np.ndarray) -> np.ndarray:
    """q = b if b*w >= 0.05 max|W_k| else 0; zeros for a dead filter; one weight at a time."""
    codes = np.zeros(weight.shape, np.float32)
    for k, kernel in enumerate(weight.numpy()):
        threshold = np.float32(0.05) * np.abs(kernel).max()
        for index in np.ndindex(kernel.shape):
            b = signs[(k, *index)]
            if threshold > 0 and b * kernel[index] >= threshold:
                codes[(k, *index)] = b
    return codes


def first_half_signs(shape: tuple[int, ...]) -> np.ndarray:
    signs = -np.ones(shape, np.float32)
    signs[: shape[0] // 2] = 1
    return signs


def stays_fixed(quantizer: Quantizer, once: Tensor) -> None:
    assert torch.equal(quantized(quantizer, once), once)


# --- signed-binary ------------------------------------------------------------------------


def signed_binary_follows_its_formula(quantizer: Quantizer) -> None:
    for shape in ((7, 5, 3, 3), (6, 4, 1, 1), (5, 9)):
        weight = random_weight(*shape)
        expected = signed_binary_oracle(weight, first_half_signs(shape))
        assert np.array_equal(quantized(quantizer, weight).numpy(), expected)


def signed_binary_has_one_sign_per_filter(quantizer: Quantizer) -> None:
    filters = quantized(quantizer, random_weight(7, 5, 3, 3)).flatten(1)
    assert set(filters[:3].unique().tolist()) == {0.0, 1.0}
    assert set(filters[3:].unique().tolist()) == {-1.0, 0.0}


def signed_binary_ties_are_non_zero(quantizer: Quantizer) -> None:
    row = torch.tensor([1.0, 0.05, 0.0499, 0.0, -0.0499, -0.05, -1.0])
    positive, negative = quantized(quantizer, torch.stack([row, row])).tolist()
    assert positive == [1, 1, 0, 0, 0, 0, 0]
    assert negative == [0, 0, 0, 0, 0, -1, -1]


def signed_binary_is_a_fixed_point_with_dead_filters(quantizer: Quantizer) -> None:
    weight = random_weight(7, 5, 3, 3)
    once = quantized(quantizer, weight)
    assert not once[[1, 2, 5]].any()
    assert set(once.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert (once[:3] >= 0).all()
    assert (once[3:] <= 0).all()
    stays_fixed(quantizer, once)


def signed_binary_threshold_belongs_to_the_filter(quantizer: Quantizer) -> None:
    weight = random_weight(7, 5, 3, 3)
    louder = weight * torch.tensor([1, 1, 1, 1e4, 1, 1, 1e-4]).reshape(7, 1, 1, 1)
    expected = signed_binary_oracle(weight, first_half_signs((7, 5, 3, 3)))
    assert np.array_equal(quantized(quantizer, louder).numpy(), expected)


def signed_binary_mean_scale_is_that_of_the_effectual_weights(quantizer: Quantizer) -> None:
    weight = random_weight(7, 5, 3, 3)
    codes = signed_binary_oracle(weight, first_half_signs((7, 5, 3, 3)))
    result = quantized(quantizer, weight)
    for k in range(7):
        used = np.abs(weight.numpy()[k][codes[k] != 0].astype(np.float64))
        scale = used.mean() if used.size else 0.0
        np.testing.assert_allclose(result[k].numpy(), codes[k] * scale, rtol=1e-7)
    stays_fixed(quantizer, result)


def centred_filters_have_mean_zero_and_two_values(quantizer: Quantizer) -> None:
    weight = random_weight(7, 5, 3, 3)
    codes = signed_binary_oracle(weight, first_half_signs((7, 5, 3, 3)))
    result = quantized(quantizer, weight)
    assert not result[[1, 2, 5]].any()
    for k in (0, 3, 4, 6):
        assert result[k].unique().numel() == 2
        assert abs(result[k].double().mean()) < 1e-7
        np.testing.assert_allclose(result[k].numpy(), codes[k] - codes[k].mean(), atol=1e-6)
    stays_fixed(quantizer, result)


def regions_of_two_channels_have_one_sign_each(quantizer: Quantizer) -> None:
    weight = random_weight(8, 5, 3, 3)
    state = {name: s.value for name, s in quantizer.initial_state(weight).items()}
    assert set(state) == {"weight_sign"}
    signs = state["weight_sign"]
    assert signs.shape == (8, 3)
    assert signs.dtype == torch.int8
    assert int((signs == 1).sum()) == 12
    assert int((signs.abs() == 1).sum()) == 24
    assert (signs != signs[:, :1]).any(), "some filter must mix signs"
    expanded = np.stack([signs[:, c // 2].numpy() for c in range(5)], axis=1)
    expanded = np.broadcast_to(expanded[:, :, None, None], weight.shape).astype(np.float32)
    once = quantized(quantizer, weight)
    assert np.array_equal(once.numpy(), signed_binary_oracle(weight, expanded))
    stays_fixed(quantizer, once)


# --- binary -------------------------------------------------------------------------------


def binary_is_the_sign_times_the_mean_magnitude(quantizer: Quantizer) -> None:
    for shape in ((7, 5, 3, 3), (5, 9)):
        weight = random_weight(*shape)
        result = quantized(quantizer, weight)
        for k, kernel in enumerate(weight.numpy()):
            scale = np.abs(kernel.astype(np.float64)).mean()
            expected = np.where(kernel >= 0, scale, -scale)
            np.testing.assert_allclose(result[k].numpy(), expected, rtol=1e-7)


def plain_binary_is_minus_one_or_plus_one_and_zero_gives_plus_one(quantizer: Quantizer) -> None:
    row = torch.tensor([2.0, 0.01, 0.0, -0.0, -0.01, -2.0])
    result = quantized(quantizer, torch.stack([row, -row, 0 * row]))
    assert result.tolist() == [[1, 1, 1, 1, -1, -1], [-1, -1, 1, 1, 1, 1], [1] * 6]
    stays_fixed(quantizer, result)


def binary_is_a_fixed_point_with_dead_filters(quantizer: Quantizer) -> None:
    once = quantized(quantizer, random_weight(7, 5, 3, 3))
    assert not once[[1, 5]].any()
    for k in (0, 3, 4, 6):
        low, high = once[k].unique().tolist()
        assert low == -high < 0
    stays_fixed(quantizer, once)


# --- ternary ------------------------------------------------------------------------------


def ternary_oracle(weight: Tensor, whole_layer: bool) -> np.ndarray:
    """scale * sign(w) where |w| > 0.7 mean|W|, over the layer or over each filter."""
    groups = [weight.numpy()] if whole_layer else list(weight.numpy())
    result = []
    for group in groups:
        magnitude = np.abs(group.astype(np.float64))
        used = magnitude > 0.7 * magnitude.mean()
        scale = magnitude[used].mean() if used.any() else 0.0
        result.append(np.sign(group) * used * scale)
    return np.asarray(result).reshape(weight.shape)


def ternary_follows_its_formula_over_the_layer(quantizer: Quantizer) -> None:
    for shape in ((7, 5, 3, 3), (5, 9)):
        weight = random_weight(*shape)
        expected = ternary_oracle(weight, whole_layer=True)
        np.testing.assert_allclose(quantized(quantizer, weight).numpy(), expected, rtol=1e-7)


def ternary_follows_its_formula_over_each_filter(quantizer: Quantizer) -> None:
    for shape in ((7, 5, 3, 3), (5, 9)):
        weight = random_weight(*shape)
        expected = ternary_oracle(weight, whole_layer=False)
        np.testing.assert_allclose(quantized(quantizer, weight).numpy(), expected, rtol=1e-7)


def ternary_of_a_layer_has_three_values_and_is_a_fixed_point(quantizer: Quantizer) -> None:
    once = quantized(quantizer, random_weight(7, 5, 3, 3))
    low, zero, high = once.unique().tolist()
    assert low == -high < 0 == zero
    assert high != 1
    assert not once[[1, 5]].any()
    assert (once[0] > 0).any()
    assert (once[0] < 0).any()
    stays_fixed(quantizer, once)


def ternary_of_filters_has_three_values_each_and_is_a_fixed_point(quantizer: Quantizer) -> None:
    once = quantized(quantizer, random_weight(7, 5, 3, 3))
    scales = set()
    for k in (0, 3, 4, 6):
        low, zero, high = once[k].unique().tolist()
        assert low == -high < 0 == zero
        scales.add(high)
    assert len(scales) == 4
    assert not once[[1, 5]].any()
    stays_fixed(quantizer, once)


def ternary_ties_are_zero(quantizer: Quantizer) -> None:
    # mean |w| = 10/7, so 0.7 * mean|w| = 1 exactly and |w| = 1 is a tie.
    row = torch.tensor([3.0, -3.0, 1.0, -1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    assert 0.7 * row.abs().mean() == 1.0
    result = quantized(quantizer, row[None])
    assert result.tolist() == [[1, -1, 0, 0, 0, 0, 0]]


Claim = Callable[[Quantizer], None]
CLAIMS: dict[Claim, str] = {
    signed_binary_follows_its_formula: "signed_binary",
    signed_binary_has_one_sign_per_filter: "signed_binary",
    signed_binary_ties_are_non_zero: "signed_binary",
    signed_binary_is_a_fixed_point_with_dead_filters: "signed_binary",
    signed_binary_threshold_belongs_to_the_filter: "signed_binary",
    signed_binary_mean_scale_is_that_of_the_effectual_weights: "signed_binary_mean",
    centred_filters_have_mean_zero_and_two_values: "signed_binary_centred",
    regions_of_two_channels_have_one_sign_each: "signed_binary_regions",
    binary_is_the_sign_times_the_mean_magnitude: "binary",
    plain_binary_is_minus_one_or_plus_one_and_zero_gives_plus_one: "binary_plain",
    binary_is_a_fixed_point_with_dead_filters: "binary",
    ternary_follows_its_formula_over_the_layer: "ternary",
    ternary_follows_its_formula_over_each_filter: "ternary_filter",
    ternary_of_a_layer_has_three_values_and_is_a_fixed_point: "ternary",
    ternary_of_filters_has_three_values_each_and_is_a_fixed_point: "ternary_filter",
    ternary_ties_are_zero: "ternary_plain",
}
# Claims about value sets and fixed points hold for these variants as well, rightly.
ALSO_TRUE: dict[Claim, set[str]] = {
    signed_binary_has_one_sign_per_filter: {"signed_binary_tenth"},
    signed_binary_is_a_fixed_point_with_dead_filters: {"signed_binary_tenth"},
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_the_quantiser_keeps_its_claim(claim: Claim) -> None:
    claim(OTHERS[CLAIMS[claim]])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_is_false_for_every_other_quantiser(claim: Claim) -> None:
    true_for = {name for name, quantizer in OTHERS.items() if _holds(claim, quantizer)}
    assert true_for == {CLAIMS[claim]} | ALSO_TRUE.get(claim, set())


def _holds(claim: Claim, quantizer: Quantizer) -> bool:
    try:
        claim(quantizer)
    except (AssertionError, ValueError, SpecError):  # ValueError: not that many distinct values
        return False
    return True


def test_a_threshold_per_layer_is_that_of_its_largest_weight() -> None:
    weight = torch.tensor([[8.0, 0.5, 0.39, -9.0], [0.5, 1.0, -0.41, -0.39]])
    result = quantized(SignedBinary.released(per=Granularity.LAYER), weight)
    assert result.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert quantized(SignedBinary.released(), weight).tolist() == [[1, 1, 0, 0], [0, 0, -1, -1]]
    stays_fixed(SignedBinary.released(per=Granularity.LAYER), result)


@pytest.mark.parametrize(
    ("share", "filters", "positive"), [(0.5, 7, 3), (0.0, 4, 0), (1.0, 4, 4), (0.29, 100, 29)]
)
def test_the_first_floor_of_share_times_filters_are_positive(
    share: float, filters: int, positive: int
) -> None:
    weight = torch.linspace(-1, 1, 9).expand(filters, 9)
    result = quantized(SignedBinary.released(positive_share=share), weight)
    assert (result[:positive].amax(1) == 1).all()
    assert (result[:positive] >= 0).all()
    assert (result[positive:].amin(1) == -1).all()
    assert (result[positive:] <= 0).all()


def test_region_signs_are_a_permutation_that_the_seed_decides() -> None:
    first, again, other = (region_signs(16, 4, 0.25, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert int((first == 1).sum()) == int((other == 1).sum()) == 16


def test_regions_do_not_touch_the_global_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    region_signs(16, 4, 0.5, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_regions_as_large_as_the_filter_are_whole_filters() -> None:
    weight = random_weight(7, 5, 3, 3)
    whole = quantized(SignedBinary.released(), weight)
    assert torch.equal(quantized(SignedBinary.released(region_channels=5), weight), whole)


def test_regions_larger_than_the_filter_are_refused() -> None:
    with pytest.raises(SpecError, match="region_channels: got 6; allowed: at most the 5"):
        SignedBinary.released(region_channels=6).initial_state(random_weight(7, 5, 3, 3))


def test_a_centred_mean_scale_keeps_the_codes_and_shrinks_by_the_share_of_zeros() -> None:
    quantizer = SignedBinary.released(offset=Offset.CENTRED, scale=ScaleKind.MEAN)
    weight = random_weight(7, 5, 3, 3)
    state = {name: s.value for name, s in quantizer.initial_state(weight).items()}
    parts = quantizer.parts(weight, state)
    again = quantizer.parts(parts.assembled(parts.codes), state)
    assert torch.equal(again.codes, parts.codes)
    density = parts.codes.abs().flatten(1).mean(1).reshape(7, 1, 1, 1)
    torch.testing.assert_close(again.scale, parts.scale * (1 - density), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("zeros", "fixed"), [(5, True), (4, False)])
def test_a_centred_filter_is_a_fixed_point_up_to_the_stated_density(
    zeros: int, fixed: bool
) -> None:
    # 1 / (1 + 0.05) = 0.952: 95 of 100 effectual weights are below it, 96 are above.
    weight = torch.ones(2, 100)
    weight[:, :zeros] = 0.0
    quantizer = SignedBinary.released(offset=Offset.CENTRED, positive_share=1.0)
    once = quantized(quantizer, weight)
    assert torch.allclose(quantized(quantizer, once), once, atol=1e-6) == fixed


@pytest.mark.parametrize("kind", [SignedBinary, Binary])
def test_a_learned_scale_starts_at_the_effectual_mean_and_counts_by_magnitude(
    kind: type[SignedBinary | Binary],
) -> None:
    weight = random_weight(7, 5, 3, 3)
    learned, mean = kind(scale=ScaleKind.LEARNED), kind(scale=ScaleKind.MEAN)
    state = {name: s.value for name, s in learned.initial_state(weight).items()}
    assert learned.initial_state(weight)["weight_scale"].learned
    once = learned.quantize(weight, state)
    alive = quantized(mean, weight).flatten(1).any(1)
    assert torch.equal(once[alive], quantized(mean, weight)[alive])
    assert (state["weight_scale"][~alive] == 1).all()
    assert torch.equal(learned.quantize(once, state), once)
    turned = {**state, "weight_scale": -state["weight_scale"]}
    assert torch.equal(learned.quantize(weight, turned), once)


@given(
    seed=st.integers(0, 2**16),
    shape=st.sampled_from([(1, 1), (3, 7), (2, 1, 1, 1), (5, 3, 2, 2), (4, 6, 3, 3)]),
    name=st.sampled_from([name for name in OTHERS if "centred" not in name]),
    magnitude=st.sampled_from([1e-20, 1e-3, 1.0, 1e20]),
)
@settings(max_examples=80, deadline=None)
def test_quantised_weights_are_a_fixed_point(
    seed: int, shape: tuple[int, ...], name: str, magnitude: float
) -> None:
    quantizer = OTHERS[name]
    if name == "signed_binary_regions" and shape[1] < 2:
        return
    values = np.random.default_rng(seed).standard_t(2, size=shape) * magnitude
    values[np.random.default_rng(seed + 1).random(shape) < 0.3] = 0.0
    once = quantized(quantizer, torch.from_numpy(values.astype(np.float32)))
    assert torch.equal(quantized(quantizer, once), once)


def test_a_linear_weight_is_a_convolution_with_one_pixel() -> None:
    weight = random_weight(7, 6)
    for quantizer in OTHERS.values():
        expected = quantized(quantizer, weight[:, :, None, None])[:, :, 0, 0]
        assert torch.equal(quantized(quantizer, weight), expected)


def test_the_value_set_of_every_quantiser_is_printed_in_full() -> None:
    assert SignedBinary.value_set is ValueSet.SIGNED_BINARY
    assert Binary.value_set is ValueSet.BINARY
    assert Ternary.value_set is ValueSet.TERNARY


@pytest.mark.parametrize(
    "build",
    [
        lambda: SignedBinary.released(threshold_factor=-0.01),
        lambda: SignedBinary.released(threshold_factor=1.01),
        lambda: SignedBinary.released(threshold_factor=float("nan")),
        lambda: SignedBinary.released(threshold_factor="0.05"),
        lambda: SignedBinary.released(region_channels=0),
        lambda: SignedBinary.released(region_channels=2.0),
        lambda: SignedBinary.released(positive_share=1.5),
        lambda: SignedBinary.released(positive_share=-0.1),
        lambda: SignedBinary.released(positive_share=False),
        lambda: SignedBinary.released(seed=-1),
        lambda: SignedBinary.released(seed=True),
        lambda: SignedBinary.released(scale="mean"),
        lambda: SignedBinary(offset="centred"),
        lambda: Binary(scale=None),
        lambda: Ternary(threshold_factor=1.0),
        lambda: Ternary(per="layer"),
        lambda: Ternary(scale=ScaleKind.LEARNED),
    ],
)
def test_options_outside_their_range_are_refused(build: Callable[[], Quantizer]) -> None:
    with pytest.raises(SpecError, match="allowed: "):
        build()
