"""Every quantiser against its paper's formulas, forward and backward, in plain numpy.

One oracle per kind: what a fresh layer in training mode makes of the weight, and the gradient it
passes on, at progress P. An oracle must be wrong for every other quantiser of the list.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from signbin.quant import QUANTIZERS, QConv2d, QuantConfig, Quantizer

P = 0.6
SHAPE = (9, 5, 3, 3)
HE = math.sqrt(2 / 45)
Floats = NDArray[np.float64]
Result = tuple[Floats, Floats]


def weight_and_gradient() -> Result:
    """Weights with |w| > 1 among them, and gradients with |g| > 1."""
    random = np.random.default_rng(3)
    return random.laplace(0.1, 0.6, SHAPE), random.normal(0.2, 1.5, SHAPE)


def filters(array: Floats) -> Floats:
    return array.reshape(len(array), -1)


def per_filter(values: Floats) -> Floats:
    return values.reshape(-1, 1, 1, 1)


def filter_mean(w: Floats) -> Floats:
    return per_filter(filters(w).mean(1))


def mean_magnitude(w: Floats) -> Floats:
    return per_filter(np.abs(filters(w)).mean(1))


def sign(w: Floats) -> Floats:
    return np.where(w >= 0, 1.0, -1.0)


def window(w: Floats) -> Floats:
    return (np.abs(w) <= 1).astype(np.float64)


def ede(x: Floats) -> Floats:
    t = 0.1 * 10 ** (P * math.log10(10 / 0.1))
    return max(1 / t, 1.0) * t * (1 - np.tanh(t * x) ** 2)


def standardized(w: Floats) -> Floats:
    f = filters(w)
    return ((f - f.mean(1, keepdims=True)) / f.std(1, keepdims=True)).reshape(w.shape)


def through_standardization(w: Floats, dx: Floats) -> Floats:
    """The chain rule of (w - mean) / std, filter by filter."""
    x, f, d = filters(standardized(w)), filters(w), filters(dx)
    along = (d * x).mean(1, keepdims=True) * x
    return ((d - d.mean(1, keepdims=True) - along) / f.std(1, keepdims=True)).reshape(w.shape)


# --- signed-binary, shared zeros, the controls -----------------------------------------------


def signed_binary(w: Floats, g: Floats) -> Result:
    b = per_filter(np.where(np.arange(len(w)) < len(w) // 2, 1.0, -1.0))
    threshold = 0.05 * per_filter(np.abs(filters(w)).max(1))
    codes = np.where(b * w >= threshold, b, 0.0)
    return HE * (codes - filter_mean(codes)), HE * (g - filter_mean(g))


def shared_zero_binary(w: Floats, g: Floats) -> Result:
    flat, support = filters(w), np.zeros_like(filters(w))
    inputs = flat.shape[1]
    for first in (0, 8):
        energy = (flat[first : first + 8] ** 2).sum(0)
        chosen = np.argsort(-energy)[: round(0.5 * inputs)]
        support[first : first + 8, chosen] = 1
    return HE * support.reshape(w.shape) * sign(w), HE * g


def binary(w: Floats, g: Floats) -> Result:
    return HE * sign(w), HE * g


def ternary(w: Floats, g: Floats) -> Result:
    return HE * np.sign(w) * (np.abs(w) > 0.7 * np.abs(w).mean()), HE * g


# --- binary ----------------------------------------------------------------------------------


def binary_connect(w: Floats, g: Floats) -> Result:
    return sign(w), g


def bwn(w: Floats, g: Floats) -> Result:
    scale = mean_magnitude(w)
    return scale * sign(w), (1 / filters(w).shape[1] + scale * window(w)) * g


def learned_scale(w: Floats, g: Floats) -> Result:
    # As bi_real; the gradient of the scale tells them apart, see below.
    return bi_real(w, g)


def bi_real(w: Floats, g: Floats) -> Result:
    scale = mean_magnitude(w)
    return scale * sign(w), scale * window(w) * g


def ls1(w: Floats, g: Floats) -> Result:
    return mean_magnitude(w) * sign(w), window(w) * g


def dorefa(w: Floats, g: Floats) -> Result:
    return np.abs(w).mean() * sign(w), g


def progressive(w: Floats, g: Floats) -> Result:
    scale, sharpness = mean_magnitude(w), 64**P
    soft = np.tanh(sharpness * w / scale)
    return scale * soft, g * sharpness * (1 - soft**2)


def dsq(w: Floats, g: Floats) -> Result:
    limit = np.abs(w).mean()
    k = math.log(2 / 0.2 - 1) / (2 * limit)
    slope = limit / (1 - 0.2) * k * (1 - np.tanh(k * w) ** 2)
    return limit * sign(w), g * slope * (np.abs(w) <= limit)


def prox_quant(w: Floats, g: Floats) -> Result:
    return w, g


def ir_net(w: Floats, g: Floats) -> Result:
    x = standardized(w)
    scale = 2 ** np.round(np.log2(mean_magnitude(x)))
    return scale * sign(x), through_standardization(w, scale * g * ede(x))


def dir_net(w: Floats, g: Floats) -> Result:
    x = standardized(w)
    scale = 2 ** np.round(np.log2(mean_magnitude(x)))
    nearest = np.sort(np.abs(x).ravel())[math.ceil(0.1 * x.size) - 1]
    t = min(0.1 * 10 ** (P * 3), math.atanh(math.sqrt(0.9)) / nearest)
    slope = max(1 / t, 1.0) * t * (1 - np.tanh(t * x) ** 2)
    return scale * sign(x), through_standardization(w, scale * g * slope)


def recu(w: Floats, g: Floats) -> Result:
    x = standardized(w) * 2 * math.sqrt(2)
    tau = 0.85 + (0.99 - 0.85) * (math.exp(P) - 1) / (math.e - 1)
    limit = -np.abs(x).mean() * math.log(2 - 2 * tau)
    scale = mean_magnitude(w)
    inside = scale * g * (np.abs(x) <= limit) * 2 * math.sqrt(2)
    return scale * sign(x), through_standardization(w, inside)


# --- ternary and several terms ---------------------------------------------------------------


def ttq(w: Floats, g: Floats) -> Result:
    threshold = 0.05 * np.abs(w).max()
    high, low = w > threshold, w < -threshold
    positive, negative = w[high].mean(), -w[low].mean()
    factor = np.where(high, positive, np.where(low, negative, 1.0))
    return positive * high - negative * low, factor * g


def ls_ternary(w: Floats, g: Floats) -> Result:
    q = np.zeros_like(w)
    for k, kernel in enumerate(w):
        ordered = np.sort(np.abs(kernel).ravel())[::-1]
        gains = [ordered[:m].sum() ** 2 / m for m in range(1, len(ordered) + 1)]
        m = int(np.argmax(gains)) + 1
        q[k] = ordered[:m].mean() * np.sign(kernel) * (np.abs(kernel) >= ordered[m - 1])
    return q, window(w) * g


def ls2(w: Floats, g: Floats) -> Result:
    q = np.zeros_like(w)
    for k, kernel in enumerate(w):
        ordered = np.sort(np.abs(kernel).ravel())[::-1]
        best = math.inf
        for m in range(1, len(ordered)):
            high, low = ordered[:m].mean(), ordered[m:].mean()
            levels = np.where(np.abs(kernel) >= (high + low) / 2, high, low) * sign(kernel)
            error = ((kernel - levels) ** 2).sum()
            if error < best - 1e-12:
                best, q[k] = error, levels
    return q, window(w) * g


def greedy_foldings(w: Floats, g: Floats) -> Result:
    q = mean_magnitude(w) * sign(w)
    rest = w - q
    return q + mean_magnitude(rest) * sign(rest), window(w) * g


def lq_nets(w: Floats, g: Floats) -> Result:
    q = np.zeros_like(w)
    codes = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], float)
    for k, kernel in enumerate(w.reshape(len(w), -1)):
        basis = np.abs(kernel).mean() * np.array([1.0, 0.5])
        for _ in range(10):
            chosen = codes[np.abs(kernel[:, None] - codes @ basis).argmin(1)]
            basis = np.linalg.lstsq(chosen, kernel, rcond=None)[0]
        nearest = np.abs(kernel[:, None] - codes @ basis).argmin(1)
        q[k] = (codes @ basis)[nearest].reshape(w.shape[1:])
    return q, g


def abc_net(w: Floats, g: Floats) -> Result:
    shifted = [w - w.mean() + u * w.std() for u in (-1.0, 0.0, 1.0)]
    bases = np.stack([sign(each).ravel() for each in shifted], axis=1)
    scales = np.linalg.lstsq(bases, w.ravel(), rcond=None)[0]
    slope = sum(a * window(each) for a, each in zip(scales, shifted, strict=True))
    return (bases @ scales).reshape(w.shape), slope * g


ORACLES: dict[str, Callable[[Floats, Floats], Result]] = {
    **{"signed_binary": signed_binary, "shared_zero_binary": shared_zero_binary},
    **{"binary": binary, "ternary": ternary, "binary_connect": binary_connect, "bwn": bwn},
    **{"xnor_net_plus_plus": learned_scale, "bi_real": bi_real, "bwnh": learned_scale},
    **{"ttq": ttq, "dorefa": dorefa, "lq_nets": lq_nets, "abc_net": abc_net},
    **{"prox_quant": prox_quant, "dsq": dsq, "progressive": progressive},
    **{"ir_net": ir_net, "dir_net": dir_net, "recu": recu},
    **{"ls1": ls1, "ls2": ls2, "ls_ternary": ls_ternary, "greedy_foldings": greedy_foldings},
}
# The same weights and weight gradients; tests below tell them apart.
ALIKE = {"bi_real", "xnor_net_plus_plus", "bwnh"}


def layer_of(quantizer: Quantizer, w: Floats) -> QConv2d:
    plain = torch.nn.Conv2d(SHAPE[1], SHAPE[0], 3, bias=False).double()
    plain.weight.data.copy_(torch.from_numpy(w))
    layer = QConv2d.from_float(plain, QuantConfig(quantizer))
    layer.set_progress(P)
    return layer


def holds(oracle: Callable[[Floats, Floats], Result], quantizer: Quantizer) -> bool:
    w, g = weight_and_gradient()
    layer = layer_of(quantizer, w)
    quantized = layer.quantized_weight()
    quantized.backward(torch.from_numpy(g))
    assert layer.weight.grad is not None
    expected = oracle(w, g)
    # The progress of a layer is a float32: this is its rounding through the formulas.
    return all(
        np.allclose(found, wanted, rtol=1e-6, atol=3e-6)
        for found, wanted in zip(
            (quantized.detach().numpy(), layer.weight.grad.numpy()), expected, strict=True
        )
    )


def test_every_listed_quantiser_has_an_oracle() -> None:
    assert set(ORACLES) == set(QUANTIZERS)


@pytest.mark.parametrize("kind", ORACLES)
def test_weight_and_gradient_are_the_closed_form_of_this_quantiser_and_no_other(kind: str) -> None:
    expected = ALIKE if kind in ALIKE else {kind}
    assert {name for name, each in QUANTIZERS.items() if holds(ORACLES[kind], each())} == expected


def test_a_learned_scale_tells_xnor_net_plus_plus_from_bi_real() -> None:
    w, g = weight_and_gradient()
    for kind in ALIKE:
        layer = layer_of(QUANTIZERS[kind](), w)
        layer.quantized_weight().backward(torch.from_numpy(g))
        learned = dict(layer.named_parameters()).get("weight_scale")
        assert (learned is None) == (kind == "bi_real")
        if learned is not None:
            assert learned.grad is not None
            np.testing.assert_allclose(learned.grad.numpy(), filters(g * sign(w)).sum(1))


def test_hashing_tells_bwnh_from_all_others() -> None:
    assert [kind for kind, each in QUANTIZERS.items() if hasattr(each, "fit")] == ["bwnh"]


def test_dsq_learns_its_interval_and_softness_by_the_soft_step() -> None:
    w, g = weight_and_gradient()
    layer = layer_of(QUANTIZERS["dsq"](), w)
    layer.quantized_weight().backward(torch.from_numpy(g))

    def soft(limit: float, softness: float) -> float:
        k = math.log(2 / softness - 1) / (2 * limit)
        x = np.clip(w, -limit, limit)
        return float((g * limit / (1 - softness) * np.tanh(k * x)).sum())

    limit, softness, step = np.abs(w).mean(), 0.2, 1e-6
    slopes = {
        "weight_limit": (soft(limit + step, softness) - soft(limit - step, softness)) / 2 / step,
        "weight_softness": (soft(limit, softness + step) - soft(limit, softness - step)) / 2 / step,
    }
    for name, expected in slopes.items():
        found = layer.get_parameter(name).grad
        assert found is not None
        assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ttq_learns_its_two_levels_from_their_sides() -> None:
    w, g = weight_and_gradient()
    layer = layer_of(QUANTIZERS["ttq"](), w)
    layer.quantized_weight().backward(torch.from_numpy(g))
    threshold = 0.05 * np.abs(w).max()
    for name, expected in {
        "weight_positive": g[w > threshold].sum(),
        "weight_negative": -g[w < -threshold].sum(),
    }.items():
        found = layer.get_parameter(name).grad
        assert found is not None
        assert found.item() == pytest.approx(expected)
