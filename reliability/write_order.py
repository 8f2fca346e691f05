"""Whether what was done to files would survive a power cut at any moment.

    python -m reliability.write_order

A file is safe under its name once its content was flushed to the disk before the renaming, and the
folder after it. What a kernel that stops may lose is anything else.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from reliability import RESULTS
from reliability.fault_library import Faults, Kind, preloaded, restart_preloaded
from reliability.injection import Found, Operation, in_child
from signbin.files import write_text

__all__ = ["disordered", "order_of"]


def disordered(told: Iterable[tuple[str, str, str]]) -> list[str]:
    """What is wrong with the order, in words; told: verb, path, new path, as Faults.told.

    >>> told = [("create", "/d/.a.part", ""), ("write", "/d/.a.part", "")]
    >>> told += [("sync", "/d/.a.part", ""), ("rename", "/d/.a.part", "/d/a"), ("sync", "/d", "")]
    >>> disordered(told)
    []
    >>> disordered(told[:2] + told[3:])
    ['/d/.a.part was renamed before its content was on the disk']
    >>> disordered(told[:-1])
    ['the new name /d/a was not on the disk in the end']
    """
    unflushed: set[str] = set()
    renamed: dict[str, str] = {}  # new name, of a file or a folder -> the folder that it is in
    wrong = []
    for verb, path, target in told:
        if verb in ("create", "write"):
            unflushed.add(path)
        elif verb == "sync":
            unflushed.discard(path)
            renamed = {name: folder for name, folder in renamed.items() if folder != path}
        elif verb == "rename":
            if path in unflushed:
                wrong.append(f"{path} was renamed before its content was on the disk")
                unflushed.discard(path)
            renamed[target] = os.path.dirname(target)
        elif verb == "make folder":
            renamed[path] = os.path.dirname(path)
        elif verb == "remove":
            unflushed.discard(path)
            renamed.pop(path, None)
    wrong.extend(f"the new name {name} was not on the disk in the end" for name in renamed)
    wrong.extend(f"{path} was written in its place" for path in sorted(unflushed))
    return wrong


def order_of(operation: Operation, faults: Faults) -> dict[str, object]:
    """Names that an operation gave to files, and what is wrong with how it did so."""

    def traced() -> Found:
        operation.act(operation.prepare())  # what it writes the first time only
        prepared = operation.prepare()
        faults.arm(Kind.OPEN, 0)
        operation.act(prepared)
        renames = sum(verb == "rename" for verb, _, _ in faults.told)
        return Found(0, str(renames), tuple(disordered(faults.told)))

    found = in_child(traced, operation.name)
    if found.injected:
        raise RuntimeError(f"{operation.name}: {found}")
    return {"renames": int(found.outcome), "wrong": list(found.wrong)}


def main(arguments: Sequence[str]) -> int:
    """Every verb that writes; exit with 1 where an order is wrong."""
    if not preloaded():
        restart_preloaded("reliability.write_order", arguments)
    from reliability.file_operations import Workshop, file_operations  # noqa: PLC0415 - typer

    faults, start = Faults(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        shop.furnish_in_child()
        faults.watch_folder(shop.place)
        found = {each.name: order_of(each, faults) for each in file_operations(shop)}
    path = Path(arguments[0]) if arguments else RESULTS / "write-order.json"
    document = {"verbs": found, "seconds": round(time.monotonic() - start, 1)}
    write_text(path, json.dumps(document, indent=1) + "\n")
    for name, order in found.items():
        sys.stdout.write(f"{name}: {order}\n")
    return 1 if any(order["wrong"] for order in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
