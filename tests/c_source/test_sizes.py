"""Sizes and budgets: what is said before anything is compiled."""

import re

import pytest

from signbin.c_source import DeviceBudget, Sizes, check_budget, parse_bytes
from signbin.errors import SpecError
from tests.c_source.conftest import Exported


def test_the_header_states_what_it_takes(exported: Exported) -> None:
    stated = dict(re.findall(r"#define SMALL_(\w+)_BYTES (\d+)", exported.network.header))
    sizes = exported.network.sizes
    assert {name: int(text) for name, text in stated.items()} == {
        "RAM": sizes.ram,
        "CONSTANT": sizes.constants,
        "CODE": sizes.code,
        "FLASH": sizes.flash,
        "STACK": sizes.stack,
    }


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64k", 65536), ("64 KB", 65536), ("1M", 2**20)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes("--max-ram", text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "64g", "9" * 10])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="--max-ram"):
        parse_bytes("--max-ram", text)


def test_a_budget_names_what_is_largest_and_what_would_fit() -> None:
    sizes = Sizes(constants=9000, code=1000, ram=5000, stack=500)
    layers = {"a": 100, "b": 8000, "c": 900}
    check_budget(sizes, DeviceBudget(10000, 5500), layers, "b")
    with pytest.raises(SpecError, match=r"--max-flash 10k fits; the largest layers: b 8,000, c"):
        check_budget(sizes, DeviceBudget(flash=9999), layers, "b")
    with pytest.raises(SpecError, match=r"--max-ram 6k fits; .*held: b and c"):
        check_budget(sizes, DeviceBudget(ram=5499), layers, "b and c")
