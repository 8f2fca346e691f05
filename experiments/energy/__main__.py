"""Estimate ResNet-18 on every array, about half a minute; ``make pages`` makes the pages."""

from __future__ import annotations

import json
import sys

from experiments.energy import RESULTS
from experiments.energy.estimates import compute
from signbin.files import write_text


def main() -> int:
    """Estimate, and keep the results."""
    write_text(RESULTS, json.dumps(compute(), indent=1) + "\n")
    sys.stdout.write(f"wrote {RESULTS}; make pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
