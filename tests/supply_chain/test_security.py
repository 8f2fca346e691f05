"""Whatever SECURITY.md promises names the tests that hold it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def promises() -> list[str]:
    """The items of its lists."""
    return [" ".join(item.split()) for item in re.findall(r"^- (.*?)(?=^-|^$)", TEXT, re.M | re.S)]


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[:40])
def test_every_promise_names_a_test(promise: str) -> None:
    assert REFERENCE.search(promise), promise


@pytest.mark.parametrize(("path", "name"), REFERENCE.findall(TEXT))
def test_every_test_that_is_named_is_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_there_are_promises_about_every_kind_of_input() -> None:
    assert len(promises()) > 20
    for kind in (".sbn", ".pt2", "ONNX", "YAML", "image", "request"):
        assert kind in TEXT
