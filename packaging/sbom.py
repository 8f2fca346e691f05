"""Write the software bill of materials of the wheel, as CycloneDX 1.6.

    make sbom      # python packaging/sbom.py build/sbom/signbin.cdx.json

What is inside the compiled library (nanobind and, in it, robin-map), what the wheel requires
(numpy), and what its extras bring, optional, each at the version that constraints.txt pins. Of one
commit it is the same bytes wherever it is made: its time is SOURCE_DATE_EPOCH, or that of the
commit. Nothing else is linked in: the C library has no dependency but the system's.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any, Final

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

__all__ = ["bill", "pinned"]

ROOT: Final = Path(__file__).parents[1]
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NOT_OF_USERS: Final = ("dev", "docs", "wheels")
_TARGET: Final = ROOT / "build" / "sbom" / "signbin.cdx.json"
_ROBIN_MAP: Final = Path("ext") / "robin_map" / "include" / "tsl" / "robin_growth_policy.h"


def pinned() -> dict[str, str]:
    """Versions by name, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    return {_plain(name): version for name, _, version in rows}


def bill() -> str:
    """The document, JSON."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    product = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.LIBRARY,
        bom_ref="signbin",
        licenses=[LicenseExpression(project["license"])],
        purl=PackageURL("pypi", None, project["name"], project["version"]),
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"signbin {_time()}"))
    bom.metadata.component = product
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(_time(), datetime.UTC)
    binding, table = _compiled_in()
    required = [_required(text) for text in project["dependencies"]]
    optional = _optional(project["optional-dependencies"])
    for component in (binding, table, *required, *optional):
        bom.components.add(component)
    bom.register_dependency(product, [binding, *required, *optional])
    bom.register_dependency(binding, [table])
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _compiled_in() -> tuple[Component, Component]:
    found = importlib.util.find_spec("nanobind")  # the one that the wheel is built with
    if found is None or found.origin is None:
        raise ModuleNotFoundError("nanobind is not installed: make install")
    header = (Path(found.origin).parent / _ROBIN_MAP).read_text(encoding="utf-8")
    numbers = re.findall(r"#define TSL_RH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    inside = Property(name="signbin:linkage", value="static")
    binding = Component(
        name="nanobind",
        version=pinned()["nanobind"],
        bom_ref="nanobind",
        scope=ComponentScope.REQUIRED,
        licenses=[LicenseExpression("BSD-3-Clause")],
        purl=PackageURL("pypi", None, "nanobind", pinned()["nanobind"]),
        properties=[inside],
    )
    table = Component(
        name="robin-map",
        version=".".join(numbers),
        bom_ref="robin-map",
        scope=ComponentScope.REQUIRED,
        licenses=[LicenseExpression("MIT")],
        purl=PackageURL("github", "tessil", "robin-map", f"v{'.'.join(numbers)}"),
        properties=[inside],
    )
    return binding, table


def _required(requirement: str) -> Component:
    return _package(_plain(requirement), ComponentScope.REQUIRED, ())


def _optional(extras: dict[str, list[str]]) -> list[Component]:
    """Packages of the extras that users may ask for, each once, with the names of its extras."""
    asking: dict[str, list[str]] = {}
    for extra, requirements in extras.items():
        for requirement in requirements:
            if extra not in _NOT_OF_USERS and _plain(requirement) != "signbin":
                asking.setdefault(_plain(requirement), []).append(extra)
    return [_package(name, ComponentScope.OPTIONAL, names) for name, names in asking.items()]


def _package(name: str, scope: ComponentScope, extras: tuple[str, ...] | list[str]) -> Component:
    version = pinned().get(name)
    return Component(
        name=name,
        version=version,
        bom_ref=name,
        scope=scope,
        purl=PackageURL("pypi", None, name, version),
        properties=[Property(name="signbin:extra", value=extra) for extra in extras],
    )


def _plain(requirement: str) -> str:
    match = _NAME.match(requirement)
    return "" if match is None else match[0].lower().replace("_", "-")


def _time() -> int:
    stated = os.environ.get("SOURCE_DATE_EPOCH")
    if stated:
        return int(stated)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def main() -> int:
    """Write it into the file that is named."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else _TARGET)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(bill(), encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
