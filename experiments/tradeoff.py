"""Repetition against sparsity: count and time every engine, and write docs/tradeoff.md.

    python experiments/tradeoff.py                 # count (minutes), and write the pages
    python experiments/tradeoff.py --measure       # time, too; goes on where it was interrupted
    python experiments/tradeoff.py --measure --again  # the same candidates, timed once more
    python experiments/tradeoff.py --pages         # write the pages from the committed results
    python experiments/tradeoff.py --trained NAME=RUN ...   # analyse these trained networks, too

Counts are exact and the same on every machine; they are kept in
experiments/results/tradeoff.json, times in experiments/results/tradeoff-times.json. The page and
its pictures are made from these two files and from nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

import tradeoff_counts as counts
import tradeoff_page as page

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results" / "tradeoff.json"
TIMES = ROOT / "experiments" / "results" / "tradeoff-times.json"

SECTIONS: dict[str, Callable[[], Any]] = {
    "density": counts.density_sweep,
    "tiles": counts.tile_sweep,
    "support": counts.sparsity_support,
    "sub_blocks": counts.sub_blocks,
    "regions": counts.regions,
    "aligned": counts.aligned,
    "extremes": counts.extremes,
    "linear": counts.linear,
    "resnet18": counts.resnet18,
    "grouping_of_random": counts.grouping_of_random,
}


def compute(kept: dict[str, Any], trained: dict[str, Path], only: set[str]) -> dict[str, Any]:
    """All counts, as they are kept; networks that were analysed before stay."""
    found = {"made_by": "python experiments/tradeoff.py", **kept}
    for name, section in SECTIONS.items():
        if not only or name in only:
            found[name] = section()
            sys.stderr.write(f"{name} done\n")
    networks = dict(found.get("trained", {}))
    for name, source in trained.items():
        networks[name] = counts.trained(source)
        sys.stderr.write(f"{name} done\n")
    found["trained"] = networks
    return found


def read(path: Path) -> dict[str, Any]:
    """The JSON of a results file; nothing where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def pages(found: dict[str, Any], times: dict[str, Any]) -> dict[Path, str]:
    """The page and its pictures, by path."""
    return {ROOT / "docs" / name: text for name, text in page.pages(found, times).items()}


def main() -> int:
    """Count, time where asked, and write the pages."""
    options = _options()
    found = read(RESULTS)
    if not options.pages and not options.measure:
        trained = dict(_named(text) for text in options.trained)
        found = compute(found, trained, set(options.only.split(",")) - {""})
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.measure:
        from tradeoff_measure import measure  # noqa: PLC0415 - needs the native library

        measure(TIMES, options.seconds, options.match, again=options.again)
    for path, text in pages(found, read(TIMES)).items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


def _named(text: str) -> tuple[str, Path]:
    name, _, source = text.partition("=")
    return name, Path(source)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", action="store_true", help="count nothing")
    parser.add_argument("--measure", action="store_true", help="time what is not timed yet")
    parser.add_argument("--again", action="store_true", help="time what is tuned once more")
    parser.add_argument("--seconds", type=float, default=5.0, help="to tune one engine for one row")
    parser.add_argument("--match", default="", help="time only rows whose name has this in it")
    parser.add_argument("--only", default="", help="count only these sections, a,b")
    parser.add_argument("--trained", nargs="*", default=[], metavar="NAME=RUN", help="or .sbn")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
