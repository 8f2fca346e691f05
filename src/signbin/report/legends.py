"""What the short words of a table mean, for the line under it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

__all__ = ["ALONE", "COLUMNS", "RACE", "STEP", "explained", "legend_of", "legend_under"]

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
    "dB": "decibels, 20 log10 of signal / noise",
    "top-1": "the class with the highest score",
    "u8": "codes of 8 bits",
    "qdq": "codes as pairs of QuantizeLinear and DequantizeLinear",
    "qonnx": "codes as nodes of QONNX",
    "direct": "no weights",
    "codes": "8-bit activations",
    "outside": "further off than is allowed",
}

_PATTERNS: Final = {
    "patterns of 8": "different columns of zeros and ones in the weights of 8 filters side by side",
    "recur": "inputs per pattern",
    "bits": "entropy per weight",
}

COLUMNS: Final = {
    **_PATTERNS,
    "ms": "milliseconds",
    "s per epoch": "seconds of training per pass over the data",
    "signal to noise": "of the float layer's output, 20 log10 of it / its difference",
    "lost here": "what the layer itself takes of it",
    "error": "largest difference / largest value",
    "p90": "nine of ten rounds took that at most",
    "theirs / ours": "medians of paired rounds, above 1 signbin is faster",
    "rounds' ratios": "the least and the largest",
    "peak memory": "of the engine's process",
    "share": "of the sum of all",
    "kernel": "the function that ran: what it computes, its tile, after __ its instruction set",
    "strategy": "how the sums of a layer are computed",
    "value set": "the values that a weight may have, before its scale",
    "seeds": "what drew the first weights and the order of the images, a network each",
    "seed": "what drew the first weights and the order of the images",
    "held-out accuracy": "of images that nothing was chosen by",
    "effectual weights": "those that are not zero",
    "predicted, budget": "milliseconds that check predicts, and those that were allowed",
    "of binary weights'": "share of the time of the same network with binary weights",
    "output spread": "standard deviation of the layer's output",
    "flash": "constants and code",
    "RAM": "values of the network, and what it works in",
    "stack": "bytes that a call takes beside RAM",
    "opset": "version of ONNX's operators",
    "scheme": "kinds of weights and of activations",
    "memory": "values of the network, without its weights",
    "file": "bytes of the compiled model",
    "cycles": "of the array, one layer after the other",
    "binary / this": "how many times less than with binary weights",
    "zeros": "where they lie",
    "drawn": "the density that was met",
    "zero kernels": "windows of one channel of a filter without a weight",
    "zero channels": "input channels that no filter reads",
    "what binds": "whether few patterns or few weights save more",
    "bound": "additions that random weights of this entropy need at least",
    "nodes": "operations of the graph",
    "part": "nodes in a row that one engine runs",
    "interpreter": "numpy, one operation after the other",
    "scales": "how much of it is run: --scale",
}
"""Titles of columns, of any table, that do not say what they mean by themselves."""


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


def legend_under(titles: Sequence[str], cells: Sequence[str], said: str) -> str:
    """What stands under a table: of its titles and of the known words in it, but what is said.

    said: the text around the table. A title may go on with a unit: "energy, pJ".

    >>> legend_under(["layer", "ms", "share"], ["0.5"], "share: of the whole")
    'ms: milliseconds'
    """
    told = {title: _meaning(title) for title in titles if _meaning(title)}
    text = "\n".join((*titles, *cells))
    told |= {word: meaning for word, meaning in _WORDS.items() if _stands(word, text)}
    return "; ".join(f"{word}: {told[word]}" for word in told if not _stands(f"{word}:", said))


def _meaning(title: str) -> str:
    return COLUMNS.get(title, COLUMNS.get(title.split(", ", maxsplit=1)[0], ""))


def _stands(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text) is not None


def legend_of(*texts: str) -> str:
    """The meaning of the known words that stand in the texts, on one line.

    >>> legend_of("bucket F=7: 12 adds, p0 0.02")[:75]
    'bucket: filters of two or three values walk their inputs together, sums sha'
    """
    text = "\n".join(texts)
    return "; ".join(
        f"{word}: {meaning}"
        for word, meaning in (_PATTERNS | _WORDS).items()
        if _stands(word, text)
    )


def explained(view: RenderableType) -> Group:
    """Tables, with all their short words explained under them that nothing explains yet."""
    from rich.console import Group  # noqa: PLC0415 - an extra: the base install prints no tables
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    parts = view.renderables if isinstance(view, Group) else [view]
    tables = [part for part in parts if isinstance(part, Table)]
    said = "\n".join(_plain(part) for part in parts if not isinstance(part, Table))
    titles = [str(column.header) for table in tables for column in table.columns]
    cells = [_plain(cell) for table in tables for each in table.columns for cell in each.cells]
    legend = legend_under(list(dict.fromkeys(titles)), cells, said)
    return Group(view, *([Text(legend)] if legend else []))


def _plain(part: Any) -> str:
    """Of rich's text, of a number with a bar, of a note, or of a string."""
    return str(getattr(part, "plain", getattr(part, "text", part)))
