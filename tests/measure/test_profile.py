"""measure_profile: medians, shares and rates of a program with known times."""

import dataclasses
import enum

import numpy as np
import pytest

from signbin.errors import ExecutionError, SpecError
from signbin.measure import measure_profile


class Strategy(enum.Enum):
    BUCKET = "bucket"


@dataclasses.dataclass(frozen=True)
class Step:
    name: str
    kernel: str
    ms: float


@dataclasses.dataclass(frozen=True)
class Layer:
    layer: str = "conv"
    strategy: Strategy = Strategy.BUCKET
    why: str = "cheaper"
    density: float = 0.35
    macs: int = 3_000_000


class FakeProgram:
    """A convolution that gets faster, and a pool that does not; two runs are warm-up."""

    def __init__(self, conv_ms):
        self.conv_ms = iter([50.0, 50.0, *conv_ms])

    def profile(self, images):
        return [Step("conv", "sb_conv", next(self.conv_ms)), Step("pool", "sb_pool", 1.0)]


IMAGES = np.zeros((2, 1, 4, 4), np.float32)


def test_every_step_has_its_median_share_and_rate():
    found = measure_profile(FakeProgram([9.0, 3.0, 2.0]), [Layer()], IMAGES, repeats=3)
    conv, pool = found.layers
    assert (conv.name, conv.kernel, conv.strategy, conv.why) == (
        *("conv", "sb_conv", "bucket", "cheaper"),
    )
    assert (conv.ms, conv.share, conv.density) == (3.0, 0.75, 0.35)
    assert conv.gmacs_per_s == pytest.approx(2.0)  # two images of 3 million in 3 ms
    assert found.total_ms == 4.0
    assert (pool.strategy, pool.gmacs_per_s, pool.density, pool.share) == (
        *("direct", None, None, 0.25),
    )


def test_it_is_json_with_the_keys_people_script_against():
    document = measure_profile(FakeProgram([3.0]), [Layer()], IMAGES, repeats=1).to_json()
    assert set(document) == {"batch", "repeats", "total_ms", "layers"}
    wanted = {"name", "strategy", "why", "ms", "gmacs_per_s", "density", "share"}
    assert wanted <= set(document["layers"][0])


def test_steps_that_change_between_runs_are_an_error():
    class Changing(FakeProgram):
        def profile(self, images):
            steps = super().profile(images)
            return steps if steps[0].ms != 3.0 else steps[:1]

    with pytest.raises(ExecutionError, match="the same in every run"):
        measure_profile(Changing([3.0, 2.0]), [Layer()], IMAGES, repeats=2)


def test_no_repeat_is_refused():
    with pytest.raises(SpecError, match="repeats"):
        measure_profile(FakeProgram([]), [], IMAGES, repeats=0)
