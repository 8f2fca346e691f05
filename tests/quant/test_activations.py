"""Activation quantisers against their papers' formulas, one number at a time."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant import (
    ACTIVATION_QUANTIZERS,
    ESTIMATORS,
    ActivationQuantizer,
    Backward,
    Binary,
    DoReFaActivation,
    HalfWaveGaussian,
    Int8Activation,
    LearnedClip,
    ProgressiveTanh,
    QConv2d,
    QLinear,
    QuantConfig,
    SignActivation,
    StraightThrough,
    quantize_,
)

X = [-7.0, -1.5, -1.0, -0.3, 0.0, 0.1, 0.26, 0.28, 0.5, 0.9, 1.0, 1.3, 1.7, 3.0, 5.9, 6.0, 8.0]
G = [-2.0, 0.5, 3.0]
RANGE = 6.0  # of Int8Activation and LearnedClip here


def half_even(y: float) -> float:
    return float(round(y))  # Python rounds halves to even


def sign_polynomial(x: float) -> tuple[float, float]:
    return (1.0 if x >= 0 else -1.0), max(2 - 2 * abs(x), 0.0)


def hwgq(x: float) -> tuple[float, float]:
    levels = [0.0, 0.538, 1.076, 1.614]
    return min(levels, key=lambda level: abs(x - level)), float(0 <= x <= 1.614)


def dorefa(x: float) -> tuple[float, float]:
    return half_even(3 * min(max(x, 0.0), 1.0)) / 3, float(0 <= x <= 1)


def learned_clip(x: float) -> tuple[float, float]:
    step = RANGE / 15
    return half_even(min(max(x, 0.0), RANGE) / step) * step, float(0 <= x < RANGE)


def int8(x: float) -> tuple[float, float]:
    step = RANGE / 127
    return half_even(min(max(x, -RANGE), RANGE) / step) * step, float(abs(x) <= RANGE)


ORACLES: dict[str, Callable[[float], tuple[float, float]]] = {
    **{"sign": sign_polynomial, "hwgq": hwgq, "dorefa": dorefa},
    **{"learned_clip": learned_clip, "int8": int8},
}


def evaluate(quantizer: ActivationQuantizer) -> tuple[Tensor, Tensor]:
    x = torch.tensor(X, dtype=torch.float64).repeat(len(G), 1).requires_grad_()
    state = {name: s.value for name, s in quantizer.initial_state(x).items()}
    if "input_range" in state:
        state["input_range"].fill_(RANGE)
    backward = Backward(StraightThrough(), torch.tensor(0.5), training=False)
    q = quantizer.quantize(x, state, backward)
    q.backward(torch.tensor(G, dtype=torch.float64)[:, None].expand_as(q))
    assert x.grad is not None
    return q.detach(), x.grad


def same(found: Tensor, wanted: list[list[float]]) -> bool:
    return torch.allclose(found, torch.tensor(wanted, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("kind", ORACLES)
def test_value_and_gradient_are_the_closed_form_of_this_rule_and_no_other(kind: str) -> None:
    def holds(quantizer: ActivationQuantizer) -> bool:
        q, gradient = evaluate(quantizer)
        pairs = [ORACLES[kind](x) for x in X]
        return same(q[:1], [[value for value, _ in pairs]]) and same(
            gradient, [[g * slope for _, slope in pairs] for g in G]
        )

    true_for = {name for name, each in ACTIVATION_QUANTIZERS.items() if holds(each())}
    assert true_for == {kind}


def test_every_listed_rule_has_an_oracle() -> None:
    assert set(ORACLES) == set(ACTIVATION_QUANTIZERS)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("kind", ORACLES)
def test_codes_stand_for_the_levels_of_the_rule(kind: str, bits: int) -> None:
    """In float32, away from the middle between two levels, where rounding may take either."""
    options = {"bits": bits} if "bits" in ACTIVATION_QUANTIZERS[kind].__dataclass_fields__ else {}
    quantizer = ACTIVATION_QUANTIZERS[kind](**options)
    x = torch.linspace(-9, 9, 20_011)
    state = {name: s.value for name, s in quantizer.initial_state(x).items()}
    if "input_range" in state:
        state["input_range"].fill_(RANGE)
    backward = Backward(StraightThrough(), torch.tensor(1.0), training=False)
    levels = quantizer.quantize(x, state, backward).numpy()
    coded = quantizer.coded({name: tensor.item() for name, tensor in state.items()})
    assert coded is not None
    given = np.where(x.numpy() < 0, np.float32(-1), np.float32(1)) if coded.binary else x.numpy()
    if coded.least is not None:
        given = np.maximum(given, np.float32(coded.least))
    reached = coded.spec.dequantized(coded.spec.quantized(given))
    apart = np.abs(reached - levels) > 1e-5
    place = given / coded.spec.scale
    assert np.all(np.abs(place[apart] - np.floor(place[apart]) - 0.5) < 1e-4)
    assert apart.mean() < 0.01


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_sign_takes_its_gradient_from_any_estimator(kind: str) -> None:
    estimator = ESTIMATORS[kind]()
    x = torch.linspace(-2, 2, 21, dtype=torch.float64).requires_grad_()
    zero, progress = x.new_zeros(()), torch.tensor(0.5, dtype=torch.float64)
    q = SignActivation(estimator).quantize(x, {}, Backward(StraightThrough(), progress))
    assert set(q.tolist()) == {-1.0, 1.0}
    (found,) = torch.autograd.grad(q.sum(), x)
    (expected,) = torch.autograd.grad(estimator.surrogate(x, zero, progress).sum(), x)
    assert torch.equal(found, expected)


def test_a_learned_clip_learns_from_what_it_clips() -> None:
    x = torch.tensor(X, dtype=torch.float64)
    clip = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    backward = Backward(StraightThrough(), torch.zeros(()))
    LearnedClip(bits=2).quantize(x, {"input_clip": clip}, backward).sum().backward()
    assert clip.grad is not None
    assert clip.grad.item() == sum(each >= 3.0 for each in X)


def test_the_8_bit_range_is_the_first_maximum_and_then_follows_slowly() -> None:
    state = {"input_range": torch.zeros(())}
    rule, seen = Int8Activation(averaging=0.9), []
    for largest in (2.0, 4.0, 4.0):
        rule.quantize(
            torch.tensor([-largest, 0.5]), state, Backward(StraightThrough(), torch.zeros(()))
        )
        seen.append(state["input_range"].item())
    assert seen == pytest.approx([2.0, 2.2, 2.38])
    frozen = Backward(StraightThrough(), torch.zeros(()), training=False)
    rule.quantize(torch.tensor([100.0]), state, frozen)
    assert state["input_range"].item() == pytest.approx(2.38)


def test_an_unknown_range_lets_the_input_through() -> None:
    x = torch.tensor([-3.0, 0.1234])
    frozen = Backward(StraightThrough(), torch.zeros(()), training=False)
    assert torch.equal(Int8Activation().quantize(x, {"input_range": torch.zeros(())}, frozen), x)


@pytest.mark.parametrize("kind", ACTIVATION_QUANTIZERS)
@pytest.mark.parametrize("layer_type", [QConv2d, QLinear])
def test_a_layer_multiplies_its_quantised_input(
    kind: str, layer_type: type[QConv2d] | type[QLinear]
) -> None:
    rule = ACTIVATION_QUANTIZERS[kind]()
    options = (6, 4, 3) if layer_type is QConv2d else (6, 4)
    layer = layer_type(*options, config=QuantConfig(Binary(), activation=rule))
    plain = layer_type(*options, config=QuantConfig(Binary()))
    plain.load_state_dict(layer.state_dict(), strict=False)
    x = torch.randn((2, 6, 5, 5) if layer_type is QConv2d else (2, 6))
    layer(x)  # an 8-bit range is known from here on
    layer.eval()
    plain.eval()
    seen = layer.quantized_input(x)
    assert not torch.equal(seen, x)
    assert torch.equal(layer(x), plain(seen))
    assert f"input={kind}" in repr(layer)


def test_a_float_checkpoint_loads_strictly_into_layers_with_quantised_inputs() -> None:
    def build() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 3))

    for rule in (LearnedClip(clip=2.0), Int8Activation()):
        model = build()
        quantize_(model, QuantConfig(Binary(), activation=rule))
        with torch.no_grad():
            for value in model[1].quantizer_state().values():
                value.fill_(9.0)
        result = model.load_state_dict(build().state_dict(), strict=True)
        assert result.missing_keys == []
        expected = 2.0 if isinstance(rule, LearnedClip) else 0.0
        assert [v.item() for v in model[1].quantizer_state().values()] == [expected]
        again = build()
        quantize_(again, QuantConfig(Binary(), activation=rule))
        again.load_state_dict(model.state_dict(), strict=True)


def test_a_layer_with_a_quantised_input_is_no_plain_layer() -> None:
    layer = QLinear(4, 3, config=QuantConfig(activation=HalfWaveGaussian()))
    with pytest.raises(SpecError, match=r"to_float: got 'quantised input \(hwgq\)'"):
        layer.to_float()


def test_progress_of_the_layer_reaches_the_estimator_of_the_input() -> None:
    rule = SignActivation(ProgressiveTanh(l_min=1.0, l_max=8.0))
    layer = QLinear(1, 1, bias=False, config=QuantConfig(Binary(), activation=rule))
    slopes = []
    for progress in (0.0, 1.0):
        layer.set_progress(progress)
        x = torch.zeros(1, 1, requires_grad=True)
        layer.quantized_input(x).backward()
        assert x.grad is not None
        slopes.append(x.grad.item())
    assert slopes == pytest.approx([1.0, 8.0])


@pytest.mark.parametrize(
    "build",
    [
        lambda: DoReFaActivation(bits=0),
        lambda: LearnedClip(bits=9),
        lambda: LearnedClip(clip=0.0),
        lambda: Int8Activation(averaging=math.nan),
        lambda: SignActivation("polynomial"),
    ],
)
def test_options_outside_their_range_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(SpecError, match="allowed: "):
        build()
