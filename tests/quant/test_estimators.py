"""Every surrogate gradient against its closed form, one weight at a time."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant import (
    ESTIMATORS,
    ClippedStraightThrough,
    DistributionSensitiveDecay,
    ErrorDecay,
    Estimator,
    Offset,
    Polynomial,
    ProgressiveTanh,
    QLinear,
    QuantConfig,
    ShiftedErrorDecay,
    SignedBinary,
    SoftQuantization,
    StraightThrough,
    Ternary,
)
from signbin.spec import ScaleKind

LATENT = [-3.0, -1.0000001, -1.0, -0.4, -0.05, 0.0, 0.03, 0.5, 1.0, 1.001, 2.5]
UPSTREAM = [-4.0, -1.0, -0.3, 0.0, 0.7, 1.0, 9.0]


def clipped(g: float, w: float, shift: float, progress: float) -> float:
    return min(max(g, -1.0), 1.0) if abs(w) <= 1 else 0.0


def decay(g: float, w: float, shift: float, progress: float) -> float:
    t = 0.1 * 10 ** (progress * math.log10(10 / 0.1))
    return g * max(1 / t, 1.0) * t * (1 - math.tanh(t * w) ** 2)


def shifted_decay(g: float, w: float, shift: float, progress: float) -> float:
    return decay(g, w - shift, 0.0, progress)


def identity(g: float, w: float, shift: float, progress: float) -> float:
    return g


def tanh_slope(g: float, w: float, shift: float, progress: float) -> float:
    sharpness = 16**progress
    return g * sharpness * (1 - math.tanh(sharpness * (w - shift)) ** 2)


def polynomial(g: float, w: float, shift: float, progress: float) -> float:
    return g * max(2 - 2 * abs(w - shift), 0.0)


def soft_quantization(g: float, w: float, shift: float, progress: float) -> float:
    x, k = w - shift, math.log(2 / 0.2 - 1) / 2
    return g / (1 - 0.2) * k * (1 - math.tanh(k * x) ** 2) if abs(x) <= 1 else 0.0


def distribution_sensitive(g: float, w: float, shift: float, progress: float) -> float:
    # The tenth part of the weights, rounded up, nearest to the threshold keep a tenth of the slope.
    distances = sorted(abs(latent - shift) for latent in LATENT for _ in UPSTREAM)
    nearest = distances[math.ceil(0.1 * len(distances)) - 1]
    t = 0.1 * 10 ** (progress * math.log10(100 / 0.1))
    t = min(t, math.atanh(math.sqrt(0.9)) / max(nearest, 1e-12))
    return g * max(1 / t, 1.0) * t * (1 - math.tanh(t * (w - shift)) ** 2)


ClosedForm = Callable[[float, float, float, float], float]
CLOSED_FORMS: dict[str, ClosedForm] = {
    ClippedStraightThrough.kind: clipped,
    ErrorDecay.kind: decay,
    ShiftedErrorDecay.kind: shifted_decay,
    StraightThrough.kind: identity,
    DistributionSensitiveDecay.kind: distribution_sensitive,
    ProgressiveTanh.kind: tanh_slope,
    Polynomial.kind: polynomial,
    SoftQuantization.kind: soft_quantization,
}


def gradient(estimator: Estimator, shift: float, progress: float) -> Tensor:
    """dL/dw for every upstream gradient (rows) and latent weight (columns), in float64."""
    upstream = torch.tensor(UPSTREAM, dtype=torch.float64)[:, None]
    latent = torch.tensor(LATENT, dtype=torch.float64).repeat(len(UPSTREAM), 1)
    latent.requires_grad_()
    threshold = torch.tensor(shift, dtype=torch.float64)
    codes = (latent >= threshold).to(latent.dtype)
    attached = estimator.attach(
        codes, latent, threshold, torch.tensor(progress, dtype=torch.float64)
    )
    assert torch.equal(attached, codes), "the forward value is the code, exactly"
    (attached * upstream).sum().backward()
    assert latent.grad is not None
    return latent.grad


def expected_gradient(closed_form: ClosedForm, shift: float, progress: float) -> Tensor:
    rows = [[closed_form(g, w, shift, progress) for w in LATENT] for g in UPSTREAM]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("shift", [0.05, -0.3])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_gradient_is_the_closed_form_and_no_other(
    kind: str, shift: float, progress: float
) -> None:
    actual = gradient(ESTIMATORS[kind](), shift, progress)
    for other, closed_form in CLOSED_FORMS.items():
        same = torch.allclose(actual, expected_gradient(closed_form, shift, progress), rtol=1e-9)
        # The two-stage estimator starts where shifted EDE starts.
        twins = {kind, other} == {"dte", "shifted_ede"} and progress == 0
        assert same == (other == kind or twins)


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
def test_the_two_stage_estimator_keeps_a_tenth_of_the_weights_learning(spread: float) -> None:
    latent = (torch.arange(1, 101, dtype=torch.float64) * spread / 100).requires_grad_()
    one, zero = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    learning = {}
    for estimator in (DistributionSensitiveDecay(), ShiftedErrorDecay()):
        latent.grad = None
        estimator.attach(torch.zeros_like(latent), latent, zero, one).sum().backward()
        assert latent.grad is not None
        t = math.atanh(math.sqrt(0.9)) / (spread / 10)
        highest = min(100.0, t) if estimator.kind == "dte" else 10.0
        learning[estimator.kind] = int((latent.grad >= 0.0999 * highest).sum())
    assert learning["dte"] >= 10
    assert (learning["shifted_ede"] < 10) == (spread > 1)


def test_every_listed_estimator_has_a_closed_form_here() -> None:
    assert set(CLOSED_FORMS) == set(ESTIMATORS)


@pytest.mark.parametrize("kind", [ErrorDecay, ShiftedErrorDecay])
def test_the_slope_at_the_threshold_grows_from_1_to_t_max(kind: type[Estimator]) -> None:
    # k*t at the threshold: max(1/t, 1)*t, so 1 while t <= 1, then t.
    slopes = []
    for progress in (0.0, 0.5, 0.75, 1.0):
        latent = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
        zero = torch.zeros((), dtype=torch.float64)
        kind().attach(
            zero.expand(1), latent, zero, torch.tensor(progress, dtype=torch.float64)
        ).backward()
        assert latent.grad is not None
        slopes.append(latent.grad.item())
    assert slopes == pytest.approx([1.0, 1.0, math.sqrt(10), 10.0])


def test_a_gradient_limit_is_a_clamp_and_none_is_no_clamp() -> None:
    for limit, expected in ((0.5, 0.5), (2.0, 2.0), (None, 9.0)):
        latent = torch.tensor([0.3], requires_grad=True)
        zero = torch.zeros(())
        attached = ClippedStraightThrough(limit).attach(zero.expand(1), latent, zero, zero)
        (attached * 9.0).sum().backward()
        assert latent.grad is not None
        assert latent.grad.item() == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_shifted_decay_in_a_layer_uses_the_threshold_of_each_filter(sign: int) -> None:
    share = 1.0 if sign > 0 else 0.0
    layer = QLinear(
        6, 2, config=QuantConfig(SignedBinary.released(positive_share=share), ShiftedErrorDecay())
    ).double()
    layer.set_progress(0.5)
    weight = torch.tensor(
        [[8.0, 0.4, 0.0, -0.4, 0.1, -8.0], [2.0, 0.1, 0.0, -0.1, 0.3, 1.0]], dtype=torch.float64
    )
    layer.weight.data.copy_(weight)
    upstream = torch.full((2, 6), 5.0, dtype=torch.float64)
    layer.quantized_weight().backward(upstream)
    assert layer.weight.grad is not None
    for k, threshold in enumerate((0.4, 0.1)):
        for c in range(6):
            expected = shifted_decay(5.0, weight[k, c].item(), sign * threshold, 0.5)
            assert layer.weight.grad[k, c].item() == pytest.approx(expected, rel=1e-6)


def test_shifted_decay_of_a_ternary_layer_uses_the_threshold_on_the_side_of_the_weight() -> None:
    quantizer = Ternary(threshold_factor=0.5)
    parts = quantizer.parts(torch.tensor([[4.0, -2.0, 1.0, -1.0]]), {})
    assert parts.threshold.tolist() == [[1.0, -1.0, 1.0, -1.0]]


def layer_gradient(quantizer: SignedBinary, estimator: Estimator) -> tuple[QLinear, Tensor]:
    layer = QLinear(8, 3, config=QuantConfig(quantizer, estimator)).double()
    upstream = torch.randn(3, 8, dtype=torch.float64)
    layer.quantized_weight().backward(upstream)
    return layer, upstream


def test_the_mean_scale_multiplies_the_gradient_and_is_a_constant_otherwise() -> None:
    layer, upstream = layer_gradient(SignedBinary.released(scale=ScaleKind.MEAN), StraightThrough())
    scale = torch.from_numpy(layer.low_bit().scale.copy()).double()
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, upstream * scale[:, None], rtol=1e-6, atol=1e-9)


def test_a_learned_scale_receives_the_sum_of_gradient_times_code() -> None:
    layer, upstream = layer_gradient(
        SignedBinary.released(scale=ScaleKind.LEARNED), StraightThrough()
    )
    scale = layer.get_parameter("weight_scale")
    assert scale.grad is not None
    torch.testing.assert_close(scale.grad, (upstream * layer.codes()).sum(1))


def test_centring_removes_the_mean_of_the_gradient_of_each_filter() -> None:
    layer, upstream = layer_gradient(
        SignedBinary.released(offset=Offset.CENTRED), StraightThrough()
    )
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, upstream - upstream.mean(1, keepdim=True))


def test_weights_quantised_to_zero_learn() -> None:
    layer, upstream = layer_gradient(SignedBinary.released(), ClippedStraightThrough())
    zeros = layer.codes() == 0
    assert zeros.any()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad[zeros], upstream.clamp(-1, 1)[zeros])


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_broken_latent_weight_comes_out_as_nan(kind: str, broken: float) -> None:
    latent = torch.tensor([0.5, broken, -0.5])
    codes = ESTIMATORS[kind]().attach(
        torch.tensor([1.0, 0.0, 0.0]), latent, torch.zeros(()), torch.zeros(())
    )
    assert codes[[0, 2]].tolist() == [1.0, 0.0]
    assert codes[1].isnan()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ClippedStraightThrough(0.0), "gradient_limit"),
        (lambda: DistributionSensitiveDecay(updated=1.0), "updated"),
        (lambda: DistributionSensitiveDecay(least_slope=0.0), "least_slope"),
        (lambda: ProgressiveTanh(l_min=2.0, l_max=1.0), "l_min"),
        (lambda: ProgressiveTanh(l_max=-1.0), "l_max"),
        (lambda: SoftQuantization(softness=1.0), "softness"),
        (lambda: SoftQuantization(limit=0.0), "limit"),
    ],
)
def test_options_outside_their_range_are_refused(
    build: Callable[[], Estimator], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        build()


@pytest.mark.parametrize("kind", [ErrorDecay, ShiftedErrorDecay])
@pytest.mark.parametrize(
    "options",
    [{"t_min": 0.0}, {"t_max": float("inf")}, {"t_min": 5.0, "t_max": 1.0}, {"t_min": ""}],
)
def test_a_schedule_that_is_none_is_refused(
    kind: type[ErrorDecay | ShiftedErrorDecay], options: dict[str, float]
) -> None:
    with pytest.raises(SpecError, match="t_m"):
        kind(**options)
