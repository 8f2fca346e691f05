"""Proofs that take minutes, one command each, and what they counted.

    python -m reliability.fuzz           # any bytes, for everything that reads any
    python -m reliability.same_bits      # every strategy, instruction set and split: the same bits
    python -m reliability.soak           # programs made, dropped, shared, forked: memory stays
    python -m reliability.kernels        # every kernel alone, between guard pages
    python -m reliability.sanitizers     # the C tests and a slice of Python's under each tool
    python -m reliability.quick          # what make test runs of all this, in processor time

What a command counted is kept in results/NAME.json; docs/reliability.md is made from these files
alone (``make pages``). The quick part of each is run by ``make test``, the whole by ``make trust``.
"""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path(__file__).parent / "results"
