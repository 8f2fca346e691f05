"""What users may rely on changes only on purpose: the listing is changed in the same commit."""

import difflib

import pytest

from tests import public_api


def test_every_public_name_and_signature_is_the_committed_one() -> None:
    committed = public_api.LISTING.read_text(encoding="utf-8").splitlines()
    found = public_api.listing().splitlines()
    changed = "\n".join(difflib.unified_diff(committed, found, "committed", "found", n=0))
    assert not changed, f"if that is meant, python -m tests.public_api\n{changed}"


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda x, y=3: x, "name(x, y=3)"),
        (type("New", (ValueError,), {"gone": lambda self, x: x}), "class name(ValueError)"),
        (7, "name: int"),
    ],
)
def test_a_name_is_described_by_what_callers_see_of_it(wrong, line) -> None:
    assert next(iter(public_api.described("name", wrong))) == line
