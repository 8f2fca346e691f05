"""The bill of materials is a valid one, and says what is in the wheel."""

import json

import pytest

pytest.importorskip("cyclonedx", reason="no cyclonedx-python-lib: pip install 'signbin[dev]'")

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


@pytest.fixture(scope="module")
def text(sbom) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return sbom.bill()


def test_the_bill_is_valid_and_names_what_is_compiled_in(text) -> None:
    assert VALIDATOR.validate_str(text) is None
    bill = json.loads(text)
    parts = {part["name"]: part for part in bill["components"]}
    compiled = {name for name, part in parts.items() if _linked(part)}
    assert compiled == {"nanobind", "robin-map"}
    assert {name for name, part in parts.items() if part["scope"] == "required"} == {
        "numpy",
        *compiled,
    }
    assert bill["metadata"]["component"]["name"] == "signbin"
    assert bill["metadata"]["timestamp"].startswith("2023-11-14")


def _linked(part) -> bool:
    stated = {each["name"]: each["value"] for each in part.get("properties", ())}
    return stated.get("signbin:linkage") == "static"


def test_every_pinned_package_of_an_extra_is_in_it_at_its_version(sbom, text) -> None:
    pins = sbom.pinned()
    for part in json.loads(text)["components"]:
        if part["name"] in pins:
            assert part["version"] == pins[part["name"]]
    names = {part["name"] for part in json.loads(text)["components"]}
    assert {"torch", "onnxruntime", "typer", "starlette", "pyarrow"} <= names
    assert not names & {"pytest", "sphinx", "ruff"}


def test_the_same_commit_has_the_same_bill(sbom, text, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert sbom.bill() == text


def test_a_bill_that_is_none_does_not_pass(text) -> None:
    wrong = json.loads(text)
    wrong["components"][0]["scope"] = "sometimes"
    assert VALIDATOR.validate_str(json.dumps(wrong)) is not None


def test_make_wheel_compares_builds_of_two_folders(sbom) -> None:
    script = (sbom.ROOT / "packaging" / "build.sh").read_text(encoding="utf-8")
    assert 'mkdir "$away/$copy"' in script
    assert 'cmp "$out"/1/*.whl "$out/$copy"/*.whl' in script
    assert "COPIES ?= 2\n" in (sbom.ROOT / "Makefile").read_text(encoding="utf-8")
