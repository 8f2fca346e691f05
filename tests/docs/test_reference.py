"""Every room that users import from has a page of reference, and every name stands on one."""

import importlib
import re
from pathlib import Path

import pytest

from tests.public_api import ROOMS

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def test_every_public_room_has_a_page_and_no_other_has() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {"index", "signbin", *ROOMS}


@pytest.mark.parametrize("room", ["signbin", *ROOMS])
def test_a_page_documents_the_whole_room(room: str) -> None:
    text = (PAGES / f"{room}.md").read_text(encoding="utf-8")
    name = room if room == "signbin" else f"signbin.{room}"
    assert f".. automodule:: {name}\n" in text
    left_out = re.search(r":exclude-members: (.*)", text)
    for each in left_out[1].split(", ") if left_out else ():
        found = re.search(rf"`{each}`[^`]*\[signbin\.(\w+)\]\(\1\.md\)", text)
        assert found, f"{name}: nobody says where {each} is documented"
        other = importlib.import_module(f"signbin.{found[1]}")
        assert each in other.__all__, each
