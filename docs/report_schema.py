"""The schema of a report's JSON, for those who read it with programs of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from signbin.report.json_schema import json_schema
from signbin.report.schema import SCHEMA_VERSION, Report

PATH: Final = Path(__file__).parent / "report.schema.json"


def pages() -> Mapping[Path, str]:
    """The file, from the records themselves."""
    title = f"The JSON beside a page of signbin report, version {SCHEMA_VERSION}"
    return {PATH: json.dumps(json_schema(Report, title), indent=1) + "\n"}
