"""Batch norm, residual and rectifier as one operation: what the three give, and their gradients."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbin.native import extension
from signbin.train.normalization import normalize

# One operation rounds to bfloat16 once, at the end: half a unit in the last place of 8 bits. What
# float32 loses in a product and two sums is some units of 2^-24 of the largest of them.
TOLERANCE = {torch.float32: 2.0**-20, torch.bfloat16: 2.0**-8}
SHAPES = [(2, 1, 1, 3), (3, 5, 7, 2), (1, 16, 9, 9), (4, 10, 6, 5), (5, 48, 3, 3), (2, 67, 4, 4)]


def stored(shape: tuple[int, ...], kind: torch.dtype, away: float = 0.0) -> Tensor:
    made = (torch.randn(shape) + away).to(kind)
    return made.contiguous(memory_format=torch.channels_last)


def reference(
    norm: nn.BatchNorm2d, x: Tensor, residual: Tensor | None, y: Tensor, rectify: bool
) -> Tensor:
    """In float64; what passes the rectifier is read off the result, where rounding has decided."""
    x64 = x.double()
    mean = x64.mean((0, 2, 3), keepdim=True)
    variance = x64.var((0, 2, 3), correction=0, keepdim=True)
    weight, bias = norm.weight.double().view(1, -1, 1, 1), norm.bias.double().view(1, -1, 1, 1)
    sums = (x64 - mean) / torch.sqrt(variance + norm.eps) * weight + bias
    if residual is not None:
        sums = sums + residual.double()
    return sums * (y > 0) if rectify else sums


@pytest.mark.parametrize("kind", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("joined", "rectify"), list(itertools.product((False, True), repeat=2)))
def test_values_and_gradients_are_those_of_float64(
    shape: tuple[int, ...], kind: torch.dtype, joined: bool, rectify: bool
) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(shape[1])
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    x = stored(shape, kind, away=3.0).requires_grad_()
    residual = stored(shape, kind).requires_grad_() if joined else None
    y = normalize(norm, x, nn.ReLU() if rectify else None, (lambda: residual) if joined else None)
    gradient = stored(shape, kind)
    y.backward(gradient)
    given = [t for t in (x, residual, norm.weight, norm.bias) if t is not None]
    found = [t.grad for t in given]
    for t in given:
        t.grad = None
    expected = reference(norm, x, residual, y, rectify)
    expected.backward(gradient.double())
    assert "_Normalize" in type(y.grad_fn).__name__
    near(y, expected, TOLERANCE[kind])
    for gradient_of, t in zip(found, given, strict=True):
        near(gradient_of, t.grad, 4 * TOLERANCE[kind])


def near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    away = (found.detach().double() - expected.detach().double()).abs().max()
    assert float(away) <= tolerance * float(expected.detach().abs().max().clamp_min(1.0))


def test_a_mean_that_is_large_against_the_spread_costs_no_digits() -> None:
    x = stored((8, 4, 16, 16), torch.float32)
    far = x.double() + 4096.0  # float32 keeps 11 bits of the spread there
    far = far.float().contiguous(memory_format=torch.channels_last)
    y = normalize(nn.BatchNorm2d(4, affine=False), far)
    exact = far.double() - far.double().mean((0, 2, 3), keepdim=True)
    exact = exact / exact.square().mean((0, 2, 3), keepdim=True).add(1e-5).sqrt()
    # The mean itself is float32: half a unit of 2^-12 is off from all alike.
    assert float((y.detach() - exact).abs().max()) < 2.0**-11


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_those_of_pytorch(momentum: float | None) -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.BatchNorm2d(6, momentum=momentum) for _ in range(2))
    for _ in range(3):
        x = stored((4, 6, 5, 5), torch.float32, away=1.0)
        normalize(ours, x)
        theirs(x)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 3
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "reason",
    ["evaluation", "contiguous", "double", "half", "hook", "one pixel", "shape of residual"],
)
def test_what_is_not_made_for_it_goes_to_pytorch(reason: str) -> None:
    norm, relu, x = nn.BatchNorm2d(4), nn.ReLU(), stored((2, 4, 3, 3), torch.float32)
    residual = torch.ones(2, 4, 3, 3)
    if reason == "evaluation":
        norm.eval()
    elif reason == "contiguous":
        x = x.contiguous()
    elif reason == "double":
        norm, x = norm.double(), x.double()
    elif reason == "half":
        norm, x = norm.to(torch.bfloat16), x.to(torch.bfloat16)
    elif reason == "hook":
        norm.register_forward_hook(lambda *_: None)
    elif reason == "one pixel":
        norm, x, residual = norm.eval(), x[:1, :, :1, :1], residual[:1, :, :1, :1]
    else:
        residual = torch.ones(2, 4, 1, 1)
    residual = residual.to(x.dtype)
    again = nn.BatchNorm2d(4).to(x.dtype).train(norm.training)
    expected = relu(again(x) + residual)
    got = normalize(norm, x, relu, lambda: residual)
    torch.testing.assert_close(got, expected)


def test_bits_do_not_depend_on_threads() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 24), np.float32)
    residual = np.random.default_rng(1).standard_normal((5000, 24), np.float32)
    ones, zeros = np.ones(24, np.float32), np.zeros(24, np.float32)
    results = []
    for threads in (1, 2, 3):
        y, mean, variance = np.empty_like(x), np.empty_like(ones), np.empty_like(ones)
        extension().normalize(
            x, residual, ones, zeros, 1e-5, True, threads, y=y, mean=mean, variance=variance
        )
        results.append((y.tobytes(), mean.tobytes(), variance.tobytes()))
    assert len(set(results)) == 1


def test_numbers_that_are_none_stay_none() -> None:
    x = stored((2, 3, 4, 4), torch.bfloat16)
    x[0, 1, 2, 2] = float("nan")
    y = normalize(nn.BatchNorm2d(3), x, torch.relu)
    assert y[:, 1].isnan().all()
    assert not y[:, [0, 2]].isnan().any()


@pytest.mark.parametrize("name", ["weight", "y", "mean"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    arrays = {
        "x": np.ones((4, 3), np.float32),
        "residual": None,
        "weight": np.ones(3, np.float32),
        "bias": np.ones(3, np.float32),
        "y": np.ones((4, 3), np.float32),
        "mean": np.ones(3, np.float32),
        "variance": np.ones(3, np.float32),
    }
    arrays[name] = arrays[name][:-1].copy()
    with pytest.raises(ValueError, match=r"channel|shape"):
        extension().normalize(epsilon=1e-5, rectify=True, threads=1, **arrays)
