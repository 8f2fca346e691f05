"""What holds for every quantiser of the list: value sets, fixed points, broken weights, layers."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant import (
    QUANTIZERS,
    AbcNet,
    Binary,
    BinaryConnect,
    ClippedStraightThrough,
    DoReFa,
    Dsq,
    GreedyFoldings,
    IrNet,
    LqNets,
    Offset,
    Progressive,
    ProxQuant,
    QConv2d,
    QLinear,
    QuantConfig,
    Quantizer,
    ReCu,
    SharedZeroBinary,
    SignedBinary,
    Support,
    Ternary,
    TrainedTernary,
    XnorNetPlusPlus,
    after_step,
    quantize_,
    set_progress,
)
from signbin.quant.quantizer import standardized
from signbin.quant.quantizers.gradual import proximal_step
from signbin.spec import ScaleKind, ValueSet

ALL: dict[str, Quantizer] = {
    **{kind: each() for kind, each in QUANTIZERS.items()},
    "signed_binary_released": SignedBinary.released(),
    "signed_binary_sparse": SignedBinary(density=0.12),
    "signed_binary_learned_offset": SignedBinary(offset=Offset.LEARNED, chunks=1),
    "shared_zero_random": SharedZeroBinary(support=Support.RANDOM),
    "shared_zero_learned": SharedZeroBinary(scale=ScaleKind.LEARNED, density=0.25),
    **{"dorefa_2": DoReFa(bits=2), "dorefa_3": DoReFa(bits=3)},
    **{"lq_nets_1": LqNets(bits=1), "lq_nets_3": LqNets(bits=3), "abc_net_5": AbcNet(bases=5)},
    "greedy_foldings_3": GreedyFoldings(foldings=3),
    "prox_quant_ternary": ProxQuant(values=ValueSet.TERNARY),
}
every = pytest.mark.parametrize("name", ALL)
# Standardising anew, and folding anew, give another scale.
NOT_FIXED = {"ir_net", "dir_net", "greedy_foldings", "greedy_foldings_3"}
# Nothing is claimed: it depends on the weights.
UNCLAIMED = {"abc_net", "abc_net_5", "prox_quant_ternary"}


def layer_of(quantizer: Quantizer, weight: Tensor) -> QConv2d | QLinear:
    plain: nn.Module
    if weight.dim() == 4:
        plain = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False)
        plain.weight.data = weight.clone()
        return QConv2d.from_float(plain, QuantConfig(quantizer)).eval()
    plain = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    plain.weight.data = weight.clone()
    return QLinear.from_float(plain, QuantConfig(quantizer)).eval()


def values_per_filter(weight: Tensor) -> int:
    return max(len(row.unique()) for row in weight.detach().flatten(1))


@every
@pytest.mark.parametrize("shape", [(9, 5, 3, 3), (6, 40)])
def test_a_filter_takes_no_more_values_than_its_value_set_has(
    name: str, shape: tuple[int, ...]
) -> None:
    quantizer = ALL[name]
    weight = torch.from_numpy(np.random.default_rng(1).laplace(size=shape)).float()
    found = values_per_filter(layer_of(quantizer, weight).quantized_weight())
    most = {ValueSet.BINARY: 2, ValueSet.SIGNED_BINARY: 2, ValueSet.TERNARY: 3}
    if quantizer.value_set is not ValueSet.MULTI_BIT:
        assert found == most[quantizer.value_set]
    else:
        assert 3 < found <= 2**5


@every
def test_quantised_weights_are_a_fixed_point_exactly_where_the_docstring_says_so(
    name: str, latent: Tensor
) -> None:
    layer = layer_of(ALL[name], latent)
    once = layer.quantized_weight().detach().clone()
    layer.weight.data.copy_(once)
    again = layer.quantized_weight().detach()
    # Means of equal numbers, summed in another order.
    fixed = torch.allclose(again, once, rtol=1e-5, atol=1e-7)
    assert name in UNCLAIMED or fixed == (name not in NOT_FIXED)


@every
def test_dead_filters_and_equal_weights_stay_finite_forward_and_backward(
    name: str, latent: Tensor
) -> None:
    latent[0] = 0.25
    for training in (False, True):
        layer = layer_of(ALL[name], latent).train(training)
        layer.set_progress(0.5)
        quantized = layer.quantized_weight()
        quantized.square().sum().backward()
        assert torch.isfinite(quantized).all()
        for parameter in layer.parameters():
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all()


@every
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_broken_latent_weight_shows_in_the_quantised_one(
    name: str, broken: float, latent: Tensor
) -> None:
    layer = layer_of(ALL[name], latent)
    layer.weight.data[3, 2, 1, 1] = broken
    assert not torch.isfinite(layer.quantized_weight()[3, 2, 1, 1])
    assert not torch.isfinite(layer.train().quantized_weight()[3, 2, 1, 1])
    with pytest.raises(SpecError, match="finite numbers"):
        layer.to_float()


@every
def test_a_linear_weight_is_a_convolution_with_one_pixel(name: str) -> None:
    weight = torch.from_numpy(np.random.default_rng(2).laplace(size=(7, 12))).float()
    expected = layer_of(ALL[name], weight[:, :, None, None]).quantized_weight()[:, :, 0, 0]
    torch.testing.assert_close(layer_of(ALL[name], weight).quantized_weight(), expected)


@every
def test_codes_are_zero_exactly_where_the_weight_is_and_density_counts_them(
    name: str, latent: Tensor
) -> None:
    alive = latent[[0, 3, 4, 6]]
    rule = ALL[name]
    if isinstance(rule, SignedBinary):
        rule = dataclasses.replace(rule, offset=Offset.NONE)  # with one, zeros are not 0
    layer = layer_of(rule, alive)
    codes, quantized = layer.codes(), layer.quantized_weight()
    assert torch.equal(codes != 0, quantized != 0)
    assert layer.density == int(codes.count_nonzero()) / codes.numel()


@every
def test_equal_codes_in_a_filter_are_equal_weights(name: str, latent: Tensor) -> None:
    layer = layer_of(ALL[name], latent)
    for row, codes in zip(
        layer.quantized_weight().flatten(1), layer.codes().flatten(1), strict=True
    ):
        for code in codes.unique():
            assert len(row[codes == code].unique()) == 1


@every
def test_the_logical_form_is_the_weight_or_says_why_there_is_none(
    name: str, latent: Tensor
) -> None:
    layer = layer_of(ALL[name], latent)
    if values_per_filter(layer.quantized_weight()) > 3 or name in {"ttq", "prox_quant_ternary"}:
        with pytest.raises(SpecError, match="a sum of several terms"):
            layer.low_bit()
    else:
        expected = layer.quantized_weight().detach().numpy()
        assert np.array_equal(layer.low_bit().dequantized(), expected)
        plain = layer.to_float()
        assert torch.equal(plain.weight, layer.quantized_weight())


@every
def test_to_float_is_exact_also_of_a_layer_in_training_mode(name: str, latent: Tensor) -> None:
    layer = layer_of(ALL[name], latent)
    expected = layer.quantized_weight()
    assert torch.equal(layer.train().to_float().weight, expected)


@every
def test_the_quantised_weight_depends_on_nothing_but_weight_and_state(
    name: str, latent: Tensor
) -> None:
    first, second = (layer_of(ALL[name], latent) for _ in range(2))
    second.load_state_dict(first.state_dict())
    torch.manual_seed(99)
    second.set_progress(0.7)
    assert torch.equal(first.quantized_weight(), second.quantized_weight())
    assert torch.equal(first.quantized_weight(), first.quantized_weight())


# --- what single methods do beside the forward and backward pass ----------------------------


def step(quantizer: Quantizer, weight: Tensor, progress: float) -> Tensor:
    """The latent weight after one ``after_step`` at this progress."""
    model = nn.Sequential(layer_of(quantizer, weight))
    set_progress(model, progress, 1)
    after_step(model)
    return model[0].weight.detach()


def test_only_three_methods_touch_the_layer_after_a_step(latent: Tensor) -> None:
    changing = set()
    for name, quantizer in ALL.items():
        layer = layer_of(quantizer, latent * 3)
        layer.weight.data += 0.1 * torch.randn_like(layer.weight)
        before = [tensor.clone() for tensor in layer.state_dict().values()]
        layer.set_progress(0.5)
        layer.after_step()
        pairs = zip(before, layer.state_dict().values(), strict=True)
        if not all(torch.equal(old, new) for old, new in pairs):
            changing.add(name.removesuffix("_1").removesuffix("_3"))
    assert changing == {"binary_connect", "prox_quant", "prox_quant_ternary", "lq_nets"}


def test_binary_connect_clips_its_latent_weights() -> None:
    weight = torch.tensor([[-3.0, -1.0, -0.2, 0.0, 0.7, 1.5]])
    assert step(BinaryConnect(), weight, 0.5).tolist() == [
        pytest.approx([-1.0, -1.0, -0.2, 0.0, 0.7, 1.0])
    ]


def test_prox_quant_draws_weights_to_their_sign_with_growing_strength() -> None:
    weight = torch.tensor([[-1.5, -0.8, -0.1, 0.3, 0.995, 2.0]])
    torch.testing.assert_close(step(ProxQuant(freeze=0.8), weight, 0.0), weight)
    for progress in (0.25, 0.5):
        pull = 0.01 * progress
        expected = [-1.5 + pull, -0.8 - pull, -0.1 - pull, 0.3 + pull, 0.995 + pull, 2.0 - pull]
        found = step(ProxQuant(rate=0.01, freeze=0.8), weight, progress)[0].tolist()
        assert found == pytest.approx([min(e, 1.0) if 0.9 < e < 1.1 else e for e in expected])


def test_prox_quant_freezes_hard_at_the_end() -> None:
    weight = torch.tensor([[-1.5, -0.8, -0.1, 0.3, 0.995, 2.0]])
    assert step(ProxQuant(freeze=0.8), weight, 0.8).tolist() == [[-1, -1, -1, 1, 1, 1]]


def test_a_proximal_step_never_passes_its_target() -> None:
    weight, target = torch.linspace(-3, 3, 61), torch.zeros(61)
    moved = proximal_step(weight, target, torch.tensor(0.5))
    assert torch.equal(moved, weight.sign() * (weight.abs() - 0.5).clamp(min=0))


@pytest.mark.parametrize("quantizer", [ProxQuant(), Progressive()])
def test_gradual_methods_are_soft_in_training_mode_and_exact_outside(
    quantizer: Quantizer, latent: Tensor
) -> None:
    layer = layer_of(quantizer, latent[[0, 3]])
    layer.set_progress(0.3)
    assert values_per_filter(layer.quantized_weight()) == 2
    assert values_per_filter(layer.train().quantized_weight()) > 40
    assert layer.density == 1


def test_lq_nets_moves_its_basis_a_tenth_of_the_way_to_the_best_fit(latent: Tensor) -> None:
    layer = layer_of(LqNets(bits=2), latent[[0, 3]])
    before = layer.get_buffer("weight_basis").clone()
    torch.testing.assert_close(LqNets(bits=2)._fitted(layer.weight, before), before)
    layer.weight.data *= 1.2
    layer.after_step()
    best = LqNets(bits=2)._fitted(layer.weight.detach(), before)
    torch.testing.assert_close(layer.get_buffer("weight_basis"), 0.9 * before + 0.1 * best)


def test_a_fitted_lq_basis_has_the_least_error_that_ten_rounds_find(latent: Tensor) -> None:
    error = {
        bits: (layer_of(LqNets(bits=bits), latent).quantized_weight() - latent).square().sum()
        for bits in (1, 2, 3)
    }
    assert error[3] < error[2] < error[1]


def test_least_squares_methods_are_ordered_by_their_error(latent: Tensor) -> None:
    error = {
        kind: (layer_of(ALL[kind], latent).quantized_weight().detach() - latent).square().sum()
        for kind in ("ls1", "ls2", "ls_ternary", "greedy_foldings", "binary", "ternary", "bwn")
    }
    assert error["ls2"] <= error["greedy_foldings"] < error["ls1"]
    assert error["ls2"] <= error["ls_ternary"] <= error["ternary"]
    torch.testing.assert_close(error["ls1"], error["bwn"])


def test_the_support_is_shared_by_the_group_and_holds_the_largest_inputs() -> None:
    weight = torch.from_numpy(np.random.default_rng(4).laplace(size=(10, 6, 3, 3))).float()
    codes = layer_of(SharedZeroBinary(density=0.25), weight).codes().flatten(1)
    for group in (slice(0, 8), slice(8, 10)):
        support = codes[group] != 0
        assert (support == support[0]).all()
        assert int(support[0].sum()) == round(0.25 * 54)
        energy = weight.flatten(1)[group].square().sum(0)
        assert energy[support[0]].min() > energy[~support[0]].max()
    assert not torch.equal(codes[0] != 0, codes[9] != 0)


def test_a_random_support_is_decided_by_the_seed_and_kept_in_the_checkpoint() -> None:
    weight = torch.randn(16, 6, 3, 3)
    layers = [
        layer_of(SharedZeroBinary(support=Support.RANDOM, seed=seed), weight) for seed in (1, 1, 2)
    ]
    supports = [layer.codes() != 0 for layer in layers]
    assert torch.equal(supports[0], supports[1])
    assert not torch.equal(supports[0], supports[2])
    layers[2].load_state_dict(layers[0].state_dict())
    assert torch.equal(layers[2].codes() != 0, supports[0])
    broken = layers[0].state_dict()
    broken["weight_support"] = broken["weight_support"] * 2
    with pytest.raises(RuntimeError, match=r"weight_support .* allowed: 0 and 1"):
        layers[0].load_state_dict(broken)


def test_ir_net_filters_are_balanced_up_to_their_median() -> None:
    weight = torch.randn(4, 3, 3, 3) + 5.0
    codes = layer_of(IrNet(), weight).codes().float()
    assert codes.flatten(1).mean(1).abs().max() < 0.3
    assert (layer_of(Binary(), weight).codes() == 1).all()
    scale = torch.from_numpy(layer_of(IrNet(), weight).low_bit().scale.copy())
    assert torch.equal(torch.log2(scale), torch.log2(scale).round())


# --- parts that go with any quantiser ------------------------------------------------------


@pytest.mark.parametrize("quantizer", [SignedBinary(), Ternary(), Binary()])
def test_standardising_shows_the_quantiser_weights_of_mean_0_and_spread_1(
    quantizer: Quantizer,
) -> None:
    weight = torch.randn(8, 4, 3, 3) * 0.01 + 0.02
    plain = nn.Conv2d(4, 8, 3, bias=False)
    plain.weight.data = weight
    layer = QConv2d.from_float(plain, QuantConfig(quantizer, standardize=True)).eval()
    expected = layer_of(quantizer, standardized(weight)).quantized_weight()
    assert torch.equal(layer.quantized_weight(), expected)
    assert not torch.equal(layer.quantized_weight(), layer_of(quantizer, weight).quantized_weight())
    assert np.array_equal(layer.low_bit().dequantized(), expected.detach().numpy())
    layer.quantized_weight().square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.flatten(1).mean(1).abs().max() < 1e-5 * layer.weight.grad.abs().max()


def test_standardised_filters_have_mean_0_and_spread_1_and_constant_ones_are_0() -> None:
    weight = torch.randn(5, 7) * 1e-3 + 4
    weight[2] = 0.3
    result = standardized(weight.double())
    assert result[[0, 1, 3, 4]].mean(1).abs().max() < 1e-9
    assert (result[[0, 1, 3, 4]].square().mean(1) - 1).abs().max() < 1e-9
    assert not result[2].any()


def test_weights_are_float_until_their_stage_starts_in_training_mode_only(latent: Tensor) -> None:
    plain = nn.Conv2d(5, 7, 3, bias=False)
    plain.weight.data = latent
    layer = QConv2d.from_float(plain, QuantConfig(XnorNetPlusPlus(), start=0.5))
    layer.set_progress(0.49)
    assert torch.equal(layer.train().quantized_weight(), latent)
    assert values_per_filter(layer.eval().quantized_weight()) == 2
    layer.set_progress(0.5)
    assert values_per_filter(layer.train().quantized_weight()) == 2


@pytest.mark.parametrize("kind", ["dsq", "prox_quant", "progressive"])
def test_a_method_that_brings_its_gradient_refuses_another(kind: str) -> None:
    with pytest.raises(SpecError, match=f"beside {kind}.*leave the estimator out"):
        QuantConfig(QUANTIZERS[kind](), ClippedStraightThrough())


@pytest.mark.parametrize(
    "build",
    [
        lambda: SharedZeroBinary(density=0.0),
        lambda: SharedZeroBinary(group_filters=0),
        lambda: SharedZeroBinary(support="largest"),
        lambda: DoReFa(bits=0),
        lambda: DoReFa(bits=9),
        lambda: LqNets(bits=5),
        lambda: LqNets(averaging=1.1),
        lambda: AbcNet(bases=1),
        lambda: GreedyFoldings(foldings=1),
        lambda: TrainedTernary(threshold_factor=1.0),
        lambda: ProxQuant(values=ValueSet.SIGNED_BINARY),
        lambda: ProxQuant(rate=0.0),
        lambda: ProxQuant(freeze=0.0),
        lambda: Dsq(softness=0.6),
        lambda: Progressive(l_max=1.0),
        lambda: ReCu(tau_min=0.5),
        lambda: ReCu(tau_min=0.95, tau_max=0.9),
    ],
)
def test_options_outside_their_range_are_refused(build: Callable[[], Quantizer]) -> None:
    with pytest.raises(SpecError, match="allowed: "):
        build()


def test_every_quantiser_goes_into_a_network_and_says_what_it_is(
    network: Callable[[], nn.Sequential],
) -> None:
    for quantizer in ALL.values():
        model = network()
        summary = quantize_(model, QuantConfig(quantizer))
        assert len(summary.quantized) == 3
        text = repr(model)
        assert f"weight={quantizer.kind} {quantizer.value_set.values}" in text
        assert torch.isfinite(model(torch.randn(2, 3, 8, 8))).all()
