"""Repetition against sparsity: count and time every engine.

    python -m experiments.trade_off                    # count (minutes)
    python -m experiments.trade_off --measure          # time; goes on where it was interrupted
    python -m experiments.trade_off --measure --again  # the same candidates, timed once more
    python -m experiments.trade_off --trained NAME=RUN ...   # count these trained networks, too

Counts are kept in counts.json, times in times.json, both beside this file; ``make pages`` makes
docs/trade-off.md from them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from experiments.trade_off import COUNTS, TIMES, counts, read
from signbin.files import write_text


def compute(kept: dict[str, Any], trained: dict[str, Path], only: set[str]) -> dict[str, Any]:
    """All counts, as they are kept; networks that were analysed before stay."""
    found = {"made_by": "python -m experiments.trade_off", **kept}
    for name, section in counts.SECTIONS.items():
        if not only or name in only:
            found[name] = section()
            sys.stderr.write(f"{name} done\n")
    networks = dict(found.get("trained", {}))
    for name, source in trained.items():
        networks[name] = counts.trained(source)
        sys.stderr.write(f"{name} done\n")
    found["trained"] = networks
    return found


def main() -> int:
    """Count, or time where asked, and keep what is found."""
    options = _options()
    if options.measure:
        from experiments.trade_off.measure import measure  # noqa: PLC0415 - needs the library

        measure(TIMES, options.seconds, options.match, again=options.again)
    else:
        trained = dict(_named(text) for text in options.trained)
        found = compute(read(COUNTS), trained, set(options.only.split(",")) - {""})
        write_text(COUNTS, json.dumps(found, indent=1) + "\n")
    sys.stdout.write(f"wrote {TIMES if options.measure else COUNTS}; make pages\n")
    return 0


def _named(text: str) -> tuple[str, Path]:
    name, _, source = text.partition("=")
    return name, Path(source)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", action="store_true", help="time what is not timed yet")
    parser.add_argument("--again", action="store_true", help="time what is tuned once more")
    parser.add_argument("--seconds", type=float, default=5.0, help="to tune one engine for one row")
    parser.add_argument("--match", default="", help="time only rows whose name has this in it")
    parser.add_argument("--only", default="", help="count only these sections, a,b")
    parser.add_argument("--trained", nargs="*", default=[], metavar="NAME=RUN", help="or .sbn")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
