"""Files appear whole or not at all, through a temporary file; they are read up to a size."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

__all__ = [
    "MOST_SETTINGS_BYTES",
    "MOST_TEXT_BYTES",
    "expect_regular",
    "make_folder",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_folder",
    "write_text",
    "write_whole",
]

MOST_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Of a text, where nothing smaller is said."""
MOST_SETTINGS_BYTES: Final = 1024 * 1024
"""Of a text that a person writes: YAML, TOML."""
_HERE: Final = -100  # AT_FDCWD
_RENAME_EXCHANGE: Final = 2


def read_bytes(path: Path, most: int) -> bytes:
    """What is in a file of at most ``most`` bytes.

    OSError that names the path for anything else, pipes and devices among it, which are not waited
    for; ValueError for a path that is none.
    """
    with open(path, "rb", opener=_without_waiting) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        content = stream.read(status.st_size + 1) if status.st_size <= most else None
        if content is None or len(content) > most:
            raise OSError(errno.EFBIG, f"is larger than a file of at most {most} bytes", str(path))
        return content


def expect_regular(path: Path) -> None:
    """OSError for anything but a file: opening a pipe would wait for its writer."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def read_text(path: Path, most: int = MOST_TEXT_BYTES) -> str:
    """As :func:`read_bytes`; UnicodeDecodeError for what is not UTF-8."""
    text = read_bytes(path, most).decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_waiting(path: str, flags: int) -> int:
    """Open as ``open`` does, but return at once where a pipe has no writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_bytes(path: Path, content: bytes) -> None:
    """Write one file, as :func:`write_whole` does."""
    write_whole({path: content})


def write_text(path: Path, text: str) -> None:
    """Write one file of UTF-8 text, as :func:`write_whole` does."""
    write_whole({path: text.encode("utf-8")})


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write every file: all temporary files first, flushed to the disk, then os.replace.

    A reader sees an old file or a new one, never a part; no target changes before the last
    temporary file is complete. New files get the permissions the umask gives. Temporary files of
    writers that were killed are removed; those of writers at work are locked, and stay.

    Raises OSError that names the target (a missing or read-only folder, a full disk) or
    ValueError (a path that is none); the temporary files are then gone.
    """
    ready: dict[Path, Path] = {}
    with contextlib.ExitStack() as held:  # locks last until the files have their names
        try:
            for path, content in contents.items():
                with _naming(path):
                    _remove_leftovers(path)
                    stream = held.enter_context(_temporary_file(path))
                    ready[Path(stream.name)] = path
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
            for temporary, path in ready.items():
                with _naming(path):
                    os.replace(temporary, path)
        finally:
            for temporary in ready:
                with contextlib.suppress(OSError, ValueError):
                    temporary.unlink()
    for folder in {path.parent for path in contents}:
        _sync_folder(folder)


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put a folder of these files in the place of what is there, whole or not at all.

    contents: by path inside it. They are written into a folder beside it, flushed to the disk, and
    the two change names, in one step where the system can. What killed writers left is removed.
    OSError where that fails; what was there is then there still.
    """
    import shutil  # noqa: PLC0415 - folders are seldom written

    folder = folder.resolve()
    _remove_left_folders(folder)
    made = folder.with_name(f".{folder.name}.{os.urandom(8).hex()}.part")
    made.mkdir()
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some file systems have no locks: nobody removes then
            _lock(descriptor)
        for path in contents:
            make_folder((made / path).parent)
        write_whole({made / path: content for path, content in contents.items()})
        _exchange(made, folder)
        _sync_folder(folder.parent)
    finally:
        os.close(descriptor)
        shutil.rmtree(made, ignore_errors=True)


def _exchange(made: Path, folder: Path) -> None:
    """``made`` takes the name ``folder``; what had it is then called as ``made`` was."""
    if not folder.exists():
        os.replace(made, folder)
        return
    import ctypes  # noqa: PLC0415 - likewise
    import shutil  # noqa: PLC0415

    library = ctypes.CDLL(None, use_errno=True)
    names = (_HERE, os.fsencode(made), _HERE, os.fsencode(folder))
    if hasattr(library, "renameat2") and not library.renameat2(*names, _RENAME_EXCHANGE):
        return
    old = made.with_name(f"{made.name}.old")
    os.replace(folder, old)
    try:
        os.replace(made, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_left_folders(folder: Path) -> None:
    """Remove temporary folders of ``folder`` that nobody holds a lock on."""
    import shutil  # noqa: PLC0415 - likewise

    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{16}}\.part")
    with contextlib.suppress(OSError):
        for left in folder.parent.iterdir():
            if pattern.fullmatch(left.name) and left.is_dir() and not left.is_symlink():
                descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    if _lock(descriptor):
                        shutil.rmtree(left, ignore_errors=True)
                finally:
                    os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, to last as what is written into it does.

    Nothing is done where it is there; OSError as Path.mkdir raises.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in made:
        _sync_folder(each.parent)


def _temporary_file(path: Path) -> BinaryIO:
    """A new file beside ``path``, locked."""
    while True:
        stream = path.with_name(f".{path.name}.{os.urandom(8).hex()}.part").open("xb")
        with contextlib.suppress(OSError):  # some file systems have no locks: nobody removes then
            if not _lock(stream.fileno()) or not os.fstat(stream.fileno()).st_nlink:
                stream.close()  # another writer took it for a leftover before it was locked
                continue
        return stream


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of ``path`` that nobody holds a lock on."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.part")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError), open(entry.path, "rb") as stream:
                    if _lock(stream.fileno()):
                        os.unlink(entry.path)


def _lock(descriptor: int) -> bool:
    """Whether the file is locked now, as long as it is open; OSError where none can be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An OSError inside names the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Make the renaming last; some file systems cannot, and the files are complete without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
