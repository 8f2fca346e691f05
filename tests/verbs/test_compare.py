"""compare: how far apart PyTorch and a compiled program may be."""

import contextlib
import dataclasses

import pytest

from signbin.diagnose import Comparison
from signbin.diagnose.exactness import Exactness
from signbin.errors import SignbinError
from signbin.verbs.compare import gate


@pytest.fixture
def comparison() -> Comparison:
    """A float program within its tolerance that names nearly every class as PyTorch does."""
    return Comparison(100, 0.1, 1e-6, 0.995, None, ())


@pytest.mark.parametrize(
    ("agreement", "asked", "passes"),
    [(0.99, None, True), (0.94, None, False), (0.94, 0.9, True), (0.9, 0.95, False)],
)
def test_classes_may_change_a_little_where_activations_are_codes(
    comparison, agreement, asked, passes
) -> None:
    codes = dataclasses.replace(comparison, top1_agreement=agreement, exactness=Exactness(10, 0))
    with contextlib.nullcontext() if passes else pytest.raises(SignbinError, match="disagrees"):
        gate(codes, asked)


def test_float_programs_must_name_the_same_classes_unless_told_otherwise(comparison) -> None:
    with pytest.raises(SignbinError, match="at least 100 %"):
        gate(comparison)
    gate(comparison, 0.99)


def test_one_code_that_differs_breaks_the_contract(comparison) -> None:
    broken = dataclasses.replace(
        comparison, top1_agreement=1.0, exactness=Exactness(10, 1, "conv1")
    )
    with pytest.raises(SignbinError, match=r"contract.*1 of 10 values differ.*conv1"):
        gate(broken, 0.0)
