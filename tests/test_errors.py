"""What an error says, in which order."""

import ast
from pathlib import Path

import pytest

from signbin.errors import SignbinError, SpecError

PACKAGE = Path(__file__).parents[1] / "src" / "signbin"


def test_a_message_gives_value_reason_what_is_allowed_and_what_to_do() -> None:
    error = SpecError("recipe", value="a", reason="no\n  file", allowed="b", remedy="do c")
    assert str(error) == "recipe: got 'a'; no file; allowed: b; do c"


def test_parts_that_are_not_given_are_left_out() -> None:
    assert str(SpecError("recipe")) == "recipe"
    assert str(SpecError("recipe", value=None)) == "recipe: got None"


def test_what_is_allowed_under_a_list_begins_its_own_line() -> None:
    error = SpecError("2 layers:\n  first\n  second\n", allowed="third")
    assert str(error) == "2 layers:\n  first\n  second\nallowed: third"


def test_long_values_are_cut() -> None:
    assert len(str(SpecError("recipe", value="x" * 10_000))) < 300


def test_every_error_has_one_base() -> None:
    with pytest.raises(SignbinError):
        raise SpecError("recipe")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_the_words_of_another_error_are_never_called_allowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "allowed":
            words = ast.unparse(node.value)
            assert "str(error)" not in words, f"{path}:{node.value.lineno} say it with reason="
