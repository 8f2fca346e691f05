"""Tables of what stands around a program: the operator of PyTorch, and the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbin.report import markdown, words

Row = Mapping[str, Any]


def torch_operator_table(section: Row) -> str:
    """One line per model with the operator in it, beside the program that does the same alone."""
    head = ["network", "model", "ms", "program alone, ms", "model / program"]
    head += ["least ms", "program alone, least ms", "error"]
    lines = [
        [
            row["network"],
            row["model"],
            words.milliseconds(row["model_ms"]),
            words.milliseconds(row["program_ms"]),
            f"{row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})",
            words.milliseconds(row["model_least_ms"]),
            words.milliseconds(row["program_least_ms"]),
            words.error(row["error"]),
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, lines, numbers_from=2)
