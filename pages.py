"""Write every generated page: THE list of them.

    make pages                # python pages.py
    python pages.py --check   # writes nothing; names what is stale, and exits 1 where anything is

Some pages are made as a whole; into others, written by hand, tables are put, each between
``<!-- table: NAME -->`` and ``<!-- end of table -->``. All are made from committed files alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import grid_page, microcontrollers, tables
from benchmarks.arm import page as arm
from docs import catalogue, onnx_operators, report_schema, rooms
from experiments import zoo
from experiments.energy import page as energy
from experiments.trade_off import page as trade_off
from experiments.training import codesign
from experiments.training import page as training
from reliability import page as reliability
from reliability import summary as reliability_summary
from signbin.errors import FormatError
from signbin.files import write_whole

ROOT: Final = Path(__file__).parent
WHOLE: Final[Sequence[Callable[[], Mapping[Path, str]]]] = (
    energy.pages,
    trade_off.pages,
    training.pages,
    codesign.pages,
    zoo.pages,
    report_schema.pages,
)
"""Each gives pages and pictures by path."""
TABLES: Final[Mapping[str, Callable[[], str]]] = {
    **{name: partial(tables.of_every_cpu, name) for name in tables.TABLES},
    "microcontrollers": microcontrollers.table,
    "validation": energy.validation,
    "accuracy": training.accuracy,
    "codesign_costs": codesign.costs_table,
    "codesign_differences": codesign.differences_table,
    "rooms": rooms.rooms,
    "imports": rooms.imports,
    "onnx_operators": onnx_operators.operators,
    "same_bits": reliability.same_bits,
    "every_kernel": reliability.kernels,
    "fuzz": reliability.fuzz,
    "quick": reliability.quick,
    "sanitizers": reliability.sanitizers,
    "soak": reliability.soak,
    "reliability": reliability_summary.summary,
    "native_faults": reliability.native_faults,
    "file_faults": reliability.file_faults,
    "kills": reliability.kills,
    "write_order": reliability.write_order,
    "arm_instructions": arm.instructions,
    "arm_share": arm.share,
    "arm_cores": arm.cores,
    **grid_page.TABLES,
    **catalogue.TABLES,
}
WITH_TABLES: Final = (
    ROOT / "README.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "catalogue.md",
    ROOT / "docs" / "codesign.md",
    ROOT / "docs" / "edge.md",
    ROOT / "docs" / "method.md",
    ROOT / "docs" / "microcontrollers.md",
    ROOT / "docs" / "onnx.md",
    ROOT / "docs" / "reliability.md",
    ROOT / "docs" / "results" / "check.md",
    ROOT / "docs" / "results" / "doors.md",
    ROOT / "docs" / "results" / "foreign.md",
    ROOT / "docs" / "results" / "grid.md",
    ROOT / "docs" / "results" / "speed.md",
    ROOT / "docs" / "simulator.md",
    ROOT / "docs" / "weight-kinds.md",
)
_TABLE: Final = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)


def generated() -> dict[Path, str]:
    """What every page says when it is made anew."""
    found = {path: filled(path.read_text(encoding="utf-8")) for path in WITH_TABLES}
    for make in WHOLE:
        found |= make()
    return found


def filled(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """A page with all its tables made anew; FormatError for a table that nobody makes."""

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name not in tables:
            raise FormatError("table", value=name, allowed=", ".join(tables))
        return f"<!-- table: {name} -->\n{tables[name]()}\n<!-- end of table -->"

    return _TABLE.sub(put, text)


def stale(pages: Mapping[Path, str]) -> dict[Path, str]:
    """Those that are not there, or say something else."""
    return {
        path: text
        for path, text in pages.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages that are stale, or with --check name them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on stale pages")
    options = parser.parse_args(arguments)
    changed = stale(generated())
    if not options.check:
        write_whole({path: text.encode() for path, text in changed.items()})
    for path in sorted(changed):
        name = path.relative_to(ROOT)
        sys.stdout.write(f"{name} is stale: make pages\n" if options.check else f"wrote {name}\n")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
