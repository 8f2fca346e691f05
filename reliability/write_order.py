"""Whether what was done to files would survive a power cut at any moment.

A file is safe under its name once its content was flushed to the disk before the renaming, and the
folder after it. What a kernel that stops may lose is anything else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["disordered"]


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
    renamed: dict[str, str] = {}  # new name -> its folder
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
        elif verb == "remove":
            unflushed.discard(path)
            renamed.pop(path, None)
    wrong.extend(f"the new name {name} was not on the disk in the end" for name in renamed)
    wrong.extend(f"{path} was written in its place" for path in sorted(unflushed))
    return wrong
