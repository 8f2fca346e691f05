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


def server_table(section: Row) -> str:
    """One line per load: latency, throughput beside the program's own, errors and memory."""
    head = ["network", "clients", "seconds", "batch", "requests", "errors", "p50, ms", "p99, ms"]
    head += ["of it in the queue, mean, ms", "one client, ms", "one call, ms"]
    head += ["images/s", "program alone, images/s", "share", "memory, then and at the end"]
    lines = [
        [
            row["network"],
            str(row["clients"]),
            f"{row['seconds']:.0f}",
            str(row["batch"]),
            words.count(row["requests"]),
            str(row["errors"]),
            words.milliseconds(row["p50_ms"]),
            words.milliseconds(row["p99_ms"]),
            *(
                words.milliseconds(row[name]) if name in row else "not measured"
                for name in ("queue_mean_ms", "one_client_ms", "one_call_ms")
            ),
            f"{row['images_per_s']:.1f}",
            f"{row['alone_images_per_s']:.1f}",
            f"{words.percent(row['share'])} ({words.percent(row['share_low'])} to "
            f"{words.percent(row['share_high'])})",
            f"{words.size(row['memory_warm_bytes'])}, {words.size(row['memory_end_bytes'])}",
        ]
        for row in section["rows"]
    ]
    return markdown.table(head, lines, numbers_from=1)
