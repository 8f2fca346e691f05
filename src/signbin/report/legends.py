"""What the short words of a table mean, for the line under it."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ALONE", "RACE", "STEP", "legend_of"]

_WORDS: Final = {
    "MACs": "dense multiply-accumulates per image",
    "GMAC/s": "dense multiply-accumulates per time, skipped ones included",
    "density": "non-zero weights / all",
    "bucket": "filters of two or three values walk their inputs together, sums shared",
    "generated": "the walk is machine code, made when the program is loaded",
    "dense": "every weight is multiplied",
    "table": "sums of some inputs are looked up by the bits of a word of weights",
    "F": "filters that share a walk",
    "p0": "share of the inputs that none of these filters reads",
    "adds": "additions with their loads, per output vector",
    "sparse": "every non-zero weight is an addition",
    "agr": "inputs sorted by the weights of some filters, inner sums once (UCNN)",
    "summerge": "sums of inputs that some filters read alike are merged (SumMerge)",
    "cse": "pairs of inputs that recur are added once",
    "qgym": "sums of sub-blocks, searched by equality saturation (Q-gym)",
    "bitserial": "bits of codes and of weights, compared and counted 64 at a time",
    "chunk": "input channels per walk",
    "vectors": "vectors of pixels side by side",
}

_PATTERNS: Final = {
    "patterns of 8": "different columns of zeros and ones in the weights of 8 filters side by side",
    "recur": "inputs per pattern",
    "bits": "entropy per weight",
}

STEP: Final = (
    "ms: median of the repeats; share: of the sum of all; kernel: the function that ran, its name "
    "says what it computes, its tile and after __ its instruction set; direct: no weights"
)
"""Of the columns of ``profile``."""

ALONE: Final = (
    "median, min, p90: of the rounds' times; nine of ten rounds took p90 at most. error: largest "
    "difference / largest value; dB: signal to noise; top-1: the class with the highest score."
)
"""Of the columns of ``bench``, whoever races."""

RACE: Final = (
    "theirs / ours: medians of paired rounds, above 1 signbin is faster; rounds' ratios: the least "
    "and the largest. error: against the interpreter; of quantised engines the noise against float."
)
"""Of ``bench``."""


def legend_of(*texts: str) -> str:
    """The meaning of the known words that stand in the texts, on one line.

    >>> legend_of("bucket F=7: 12 adds, p0 0.02")[:75]
    'bucket: filters of two or three values walk their inputs together, sums sha'
    """
    text = "\n".join(texts)
    return "; ".join(
        f"{word}: {meaning}"
        for word, meaning in (_PATTERNS | _WORDS).items()
        if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text)
    )
