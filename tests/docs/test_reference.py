"""Every room that users import from has a page of reference, and every name stands on one."""

import importlib
import re
import zlib
from pathlib import Path

import pytest

from tests.public_api import ROOMS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "reference"


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


def test_every_public_name_has_a_place_in_what_was_built() -> None:
    inventory = DOCS / "_build" / "objects.inv"
    if not inventory.is_file():
        pytest.skip("documentation: make docs")
    # Four lines of text, then a line per name: name, kind, priority, place, and how it is shown.
    listed = zlib.decompress(inventory.read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    placed = {line.split()[0] for line in listed if " py:" in line}
    homes = {
        id(getattr(importlib.import_module(f"signbin.{room}"), name)): f"signbin.{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(f"signbin.{room}").__all__
    }
    signbin = importlib.import_module("signbin")
    wanted = {*homes.values()}
    for name in signbin.__all__:
        if f"signbin.{name}" not in placed:
            wanted.add(homes.get(id(getattr(signbin, name)), f"signbin.{name}"))
    assert wanted - placed == set()
    assert len(wanted) > 100
