"""agreement: what counts as the same output."""

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.measure import QUANTIZED, Floor, Tolerance, agreement

EXPECTED = np.array([[1.0, 4.0], [-3.0, -5.0]], np.float32)


def test_the_error_is_relative_to_the_largest_expected_number():
    actual = EXPECTED.copy()
    actual[0, 0] += 0.5
    assert agreement(actual, EXPECTED).max_relative_error == pytest.approx(0.1)


def test_top_one_is_the_share_of_samples_with_the_same_winner():
    actual = EXPECTED.copy()
    actual[1] = [-5.0, -3.0]
    assert agreement(actual, EXPECTED).top1_agreement == 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_never_agrees(wrong):
    actual = np.full_like(EXPECTED, wrong)
    found = agreement(actual, EXPECTED)
    assert found.max_relative_error == np.inf
    with pytest.raises(ExecutionError, match="engine does not compute the same network"):
        found.require("engine", 1.0)


def test_zeros_agree_with_zeros_only():
    zeros = np.zeros_like(EXPECTED)
    assert agreement(zeros, zeros).max_relative_error == 0.0
    assert agreement(EXPECTED, zeros).max_relative_error == np.inf


def test_another_shape_is_an_error():
    with pytest.raises(ExecutionError, match="shape"):
        agreement(EXPECTED[:1], EXPECTED)


def test_signal_is_what_differs_from_image_to_image():
    noise = np.array([[0.1, -0.1], [-0.1, 0.1]], np.float32)
    signal = 2 * (2.0**2 + 4.5**2)  # distances from the means -1 and -0.5
    found = agreement(EXPECTED + noise, EXPECTED)
    assert found.snr_db == pytest.approx(10 * np.log10(signal / 0.04), abs=1e-4)
    assert found.images == 2


def test_an_engine_that_answers_every_image_alike_has_no_signal():
    rng = np.random.default_rng(0)
    expected = (100 + rng.normal(0, 1, (50, 10))).astype(np.float32)
    found = agreement(np.broadcast_to(expected.mean(axis=0), expected.shape), expected)
    assert found.max_relative_error < 0.05
    assert found.snr_db == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(ExecutionError, match="no longer the network"):
        QUANTIZED.require("engine", found)


def test_one_image_is_its_own_signal():
    found = agreement(1.1 * EXPECTED[:1], EXPECTED[:1])
    assert found.snr_db == pytest.approx(20.0, abs=1e-3)


def test_signal_to_noise_stays_finite():
    zeros = np.zeros_like(EXPECTED)
    assert agreement(EXPECTED, EXPECTED).snr_db == 150.0
    assert agreement(EXPECTED, zeros).snr_db == -150.0
    assert agreement(np.full_like(EXPECTED, np.nan), EXPECTED).snr_db == -150.0


def test_demands_name_the_engine_and_what_it_reached():
    halved = agreement(0.5 * EXPECTED, EXPECTED)
    Floor(top1_agreement=1.0, snr_db=5.0).require("engine", halved)
    Tolerance(0.5).require("engine", halved)
    with pytest.raises(ExecutionError, match=r"engine is no longer .* on 2 images"):
        Floor(top1_agreement=1.0, snr_db=7.0).require("engine", halved)
    with pytest.raises(ExecutionError, match="no longer"):
        Floor(top1_agreement=0.6, snr_db=-150.0).require(
            "engine", agreement(EXPECTED[:, ::-1].copy(), EXPECTED)
        )
    with pytest.raises(ExecutionError, match="engine does not compute"):
        Tolerance(0.4).require("engine", halved)


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ExecutionError, match="shape"):
        agreement(EXPECTED[:0], EXPECTED[:0])
