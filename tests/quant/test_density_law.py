"""The share of non-zeros that a threshold of 0.05 max|w| per filter leaves."""

import numpy as np
import pytest
import torch

from signbin.quant import Binary, Quantizer, SignedBinary, Ternary
from signbin.spec import Granularity, ScaleKind

FILTERS = 1024
# Density over 1024 filters: its standard error is about 0.001, the law is given to 0.005.
TOLERANCE = 0.005
LAW = {
    ("uniform", 576): 0.475,
    ("gaussian", 576): 0.43,
    ("laplacian", 576): 0.354,
    ("laplacian", 144): 0.38,
    ("laplacian", 4608): 0.32,
}


def density(quantizer: Quantizer, distribution: str, weights: int) -> float:
    generator = np.random.default_rng(11)
    shape = (FILTERS, weights)
    draws = {
        "uniform": lambda: generator.uniform(-1, 1, size=shape),
        "gaussian": lambda: generator.normal(size=shape),
        "laplacian": lambda: generator.laplace(size=shape),
    }
    latent = torch.from_numpy(draws[distribution]().astype(np.float32))
    state = {name: s.value for name, s in quantizer.initial_state(latent).items()}
    return int(quantizer.quantize(latent, state).count_nonzero()) / latent.numel()


@pytest.mark.parametrize(("distribution", "weights"), LAW)
def test_signed_binary_follows_the_density_law(distribution: str, weights: int) -> None:
    law = LAW[distribution, weights]
    assert density(SignedBinary.released(), distribution, weights) == pytest.approx(
        law, abs=TOLERANCE
    )


@pytest.mark.parametrize(
    "other",
    [
        Binary(),
        Ternary(),
        Ternary(per=Granularity.FILTER),
        SignedBinary.released(threshold_factor=0.1),
        Ternary(threshold_factor=0.05, scale=ScaleKind.NONE),
    ],
    ids=str,
)
@pytest.mark.parametrize(("distribution", "weights"), [key for key in LAW if key[1] == 576])
def test_no_other_quantiser_follows_the_density_law(
    other: Quantizer, distribution: str, weights: int
) -> None:
    assert abs(density(other, distribution, weights) - LAW[distribution, weights]) > TOLERANCE


def test_regions_inside_the_filter_do_not_change_the_density_law() -> None:
    regions = density(SignedBinary.released(region_channels=64), "laplacian", 576)
    assert regions == pytest.approx(LAW["laplacian", 576], abs=TOLERANCE)
