"""The table of docs/reliability.md, made of what the commands counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reliability import RESULTS
from signbin.report import markdown, words

__all__ = [
    "file_faults",
    "fuzz",
    "kernels",
    "kills",
    "native_faults",
    "quick",
    "same_bits",
    "sanitizers",
    "soak",
    "write_order",
]


def same_bits(path: Path = RESULTS / "same-bits.json") -> str:
    """What ``python -m reliability.same_bits`` counted, one line per way of running."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    cpu = found["environment"]["cpu"]
    last = found["first_seed"] + found["seeds"] - 1
    lines = [
        f"{words.count(found['networks'])} random networks (seeds {found['first_seed']} to {last}, "
        f"float32 and on codes) of {len(found['operations'])} operations, "
        f"{words.count(found['runs'])} runs in {found['seconds'] / 60:.0f} minutes on "
        f"{cpu['model']} ({', '.join(cpu['flags'][-3:])}): "
        f"{words.count(found['codes'])} values of nodes on codes, {_failed(found)}; "
        f"{words.count(found['float_nodes'])} float32 nodes, the worst "
        f"{words.error(found['worst_float'])} from the interpreter, relative.",
        "",
    ]
    rows = [[name, words.count(count)] for name, count in found["by_run"].items()]
    return "\n".join([*lines, markdown.table(["run", "networks"], rows, numbers_from=1)])


def fuzz(path: Path = RESULTS / "fuzz.json") -> str:
    """What ``make fuzz`` counted in all its runs, one line per target, and what it found."""
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows = [_fuzzed(name, known) for name, known in document["targets"].items()]
    head = ["target", "executions", "minutes", "lines reached", "corpus", "planted bug found after"]
    found = document["found"]
    lines = [markdown.table(head, rows, numbers_from=1), "", f"Found and mended: {len(found)}."]
    lines += ["", *(f"- {each['target']}: {each['words']}" for each in found)] if found else []
    return "\n".join(lines)


def _fuzzed(name: str, known: Mapping[str, Any]) -> list[str]:
    lines, corpus, planted = (known.get(key) for key in ("lines", "corpus", "planted"))
    return [
        name,
        words.count(known["executions"]),
        f"{known['seconds'] / 60:.1f}",
        f"{lines['reached'] / lines['there']:.0%} of {words.count(lines['there'])}"
        if lines
        else "not counted",
        f"{corpus['inputs']} inputs, {corpus['bytes'] / 1000:.0f} kB" if corpus else "none",
        f"{words.count(planted['executions'])} executions" if planted else "not yet",
    ]


def _failed(found: Mapping[str, Any]) -> str:
    count = len(found["failures"])
    return "each the interpreter's bits" if not count else f"with {count} failures"


def native_faults(path: Path = RESULTS / "native-faults.json") -> str:
    """What ``python -m reliability.faults`` counted of memory and threads."""
    return _faults(path)


def file_faults(path: Path = RESULTS / "files-faults.json") -> str:
    """What it counted of files."""
    return _faults(path)


def _faults(path: Path) -> str:
    """A row for each way of failing."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    counts: Mapping[str, Mapping[str, int]] = found["faults"]
    kinds = list(dict.fromkeys(kind for ways in counts.values() for kind in ways))
    by_kind = {kind: sum(ways.get(kind, 0) for ways in counts.values()) for kind in kinds}
    ends = ", ".join(
        f"{words.count(count)} {'done all the same' if name == 'done' else name}"
        for name, count in sorted(found["outcomes"].items(), key=lambda item: -item[1])
    )
    lines = [
        f"{words.count(sum(by_kind.values()))} faults in {len(counts)} operations "
        f"({found['seconds'] / 60:.0f} minutes on {found['environment']['cpu']['model']}): {ends}; "
        f"{found['failed'] or 'nothing'} otherwise than it has to be.",
        "",
    ]
    rows = [[kind, words.count(count)] for kind, count in by_kind.items() if count]
    return "\n".join([*lines, markdown.table(["what failed", "faults"], rows, numbers_from=1)])


def kernels(path: Path = RESULTS / "kernels.json") -> str:
    """What ``python -m reliability.kernels`` counted, one line per machine."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    columns = ("rows", "cases", "calls", "walks", "walk_calls", "values", "planted", "faults")
    rows = [
        [
            found["environment"]["cpu"]["model"] if run["machine"] == "native" else run["machine"],
            ", ".join(f"{isa} {count}" for isa, count in run["isas"].items()),
            *(words.count(run[column]) for column in columns),
        ]
        for run in found["runs"]
    ]
    heads = ["machine", "rows of each instruction set", "rows", "cases", "calls of kernels"]
    heads += ["generated walks", "calls of them", "values compared", "planted and found", "faults"]
    native, *_ = found["runs"]
    seeds = ", ".join(str(run["seed"]) for run in found["runs"])
    lines = [
        f"On {found['environment']['cpu']['model']} and in QEMU, "
        f"{sum(run['seconds'] for run in found['runs']) / 60:.0f} minutes in all; seeds {seeds}. "
        f"The deepest call took {words.count(native['stack_bytes'])} bytes of stack.",
        "",
    ]
    return "\n".join([*lines, markdown.table(heads, rows, numbers_from=2)])


def sanitizers(path: Path = RESULTS / "sanitizers.json") -> str:
    """What ``python -m reliability.sanitizers`` counted, one line per tool."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    counts = ("planted", "drawn", "run", "inputs", "python_tests", "reports")
    rows = [
        [
            _TOOLS[name],
            *(words.count(known[each]) for each in counts),
            f"{known['seconds'] / 60:.0f}",
        ]
        for name, known in found["tools"].items()
    ]
    heads = ["under", "planted and reported", "programs drawn", "of them run", "inputs of fuzzers"]
    heads += ["tests in Python", "reports", "minutes"]
    model = found["environment"]["cpu"]["model"]
    return (
        markdown.table(heads, rows, numbers_from=1)
        + f"\n\nMinutes of processor time on {model}; what an earlier run "
        "compiled was not compiled again."
    )


_TOOLS: Mapping[str, str] = {
    "address": "AddressSanitizer, LeakSanitizer, UndefinedBehaviorSanitizer",
    "thread": "ThreadSanitizer",
    "valgrind": "valgrind",
}


def quick(path: Path = RESULTS / "quick.json") -> str:
    """What ``python -m reliability.quick`` measured, one line per file of tests."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    files: Mapping[str, Mapping[str, Any]] = found["files"]
    rows = [
        [f"`{name}`", words.count(file["tests"]), f"{file['seconds']:.1f}"]
        for name, file in files.items()
    ]
    total = sum(file["seconds"] for file in files.values())
    rows.append(["in all", words.count(sum(f["tests"] for f in files.values())), f"{total:.1f}"])
    model = found["environment"]["cpu"]["model"]
    return (
        markdown.table(["file", "tests", "seconds"], rows, numbers_from=1)
        + f"\n\nSeconds of processor time on {model}, set-up and children included."
    )


def soak(path: Path = RESULTS / "soak.json") -> str:
    """What ``python -m reliability.soak`` counted and measured, one line per part."""
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    heads = [
        "part", "done", "minutes", "answers", "wrong", "refused", "memory", "growth", "files",
        "threads", "mappings",
    ]  # fmt: skip
    rows = [
        [
            name,
            f"{words.count(part['done'])} {part['unit']}",
            f"{part['seconds'] / 60:.0f}",
            words.count(part["answers"]),
            words.count(len(part["wrong"])),
            words.count(part["refused"]),
            words.size(part["rss_bytes"]),
            _growth(part),
            *(f"{part[each][0]}, {part[each][1]}" for each in ("files", "threads", "mappings")),
        ]
        for name, part in document["parts"].items()
    ]
    model = document["environment"]["cpu"]["model"]
    return markdown.table(heads, rows, numbers_from=2) + f"\n\nOn {model}."


def _growth(part: Mapping[str, Any]) -> str:
    """In kB, and the slope per unit of the part, in bytes."""
    grown = part["rss_growth_bytes"]
    if grown is None:
        return words.NOT_GIVEN
    unit = part["unit"]
    return f"{grown / 1e3:+.0f} kB, {part['rss_slope_bytes']:+.0f} B a {_SINGULAR[unit]}"


_SINGULAR: Mapping[str, str] = {
    "programs": "program",
    "seconds": "second",
    "children": "child",
    "processes": "process",
}


def kills(path: Path = RESULTS / "kills.json") -> str:
    """What ``python -m reliability.kills`` saw, a row for each verb."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    every: list[Mapping[str, Any]] = found["kills"]
    killed = sum(each["killed"] for each in every)
    wrong = sum(bool(each["wrong"]) for each in every)
    lines = [
        f"{words.count(len(every))} kills drawn (seed {found['seed']}), {words.count(killed)} of "
        f"them before the verb had ended, on {found['environment']['cpu']['model']}: "
        f"{wrong or 'nothing'} otherwise than it has to be.",
        "",
    ]
    rows = []
    for verb in dict.fromkeys(each["kill"]["verb"] for each in every):
        mine = [each for each in every if each["kill"]["verb"] == verb]
        in_call = sum(bool(each["kill"]["kind"]) for each in mine)
        in_time = sum(each["killed"] for each in mine)
        with_parts = sum(bool(each["left"]) for each in mine)
        numbers = (len(mine) - in_call, in_call, in_time, with_parts)
        rows.append([verb, *map(words.count, numbers)])
    columns = ["verb", "at a moment", "in a call", "before its end", "temporary files left"]
    return "\n".join([*lines, markdown.table(columns, rows, numbers_from=1)])


def write_order(path: Path = RESULTS / "write-order.json") -> str:
    """What ``python -m reliability.write_order`` traced."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    writers = {name: order for name, order in found["verbs"].items() if order["renames"]}
    total = sum(order["renames"] for order in writers.values())
    wrong = sum(len(order["wrong"]) for order in writers.values())
    return (
        f"{total} files that {', '.join(writers)} write: {wrong or 'none'} named before its "
        "content was on the disk, or left without its name there."
    )
