"""The C library and its targets as libFuzzer runs them, built by clang in build/fuzz.

Of the kernels, one of each family is built: what the targets are about is the code in front of
them. The rooms of native/src are compiled again where a bug is planted in one of their files, or
where their lines are counted; the linker takes what was compiled before what is in the library.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from reliability import ROOT
from reliability.fuzz.target import NativePlant, NativeTarget
from signbin import native
from signbin.errors import ExecutionError

__all__ = ["build_library", "leave_one_tile_of_each_family", "link", "source_of", "tool"]

_NATIVE: Final = ROOT / "native"
_SANITIZED: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O2")
_LANGUAGE: Final = ("-std=c11", "-D_DEFAULT_SOURCE", "-pthread", "-Wno-psabi", '-DSB_VERSION="0"')
_COUNTED: Final = ("-fprofile-instr-generate", "-fcoverage-mapping")
# What is compared is told to nobody: it takes most of the time of whatever compares in a loop. Nor
# is where a kernel is, which its operands decide.
_GUIDED: Final = ("-fsanitize=fuzzer-no-link", "-fno-sanitize-coverage=trace-cmp")
_UNGUIDED: Final = "src:*/kernels/*.c\n"
_ROOMS: Final = ("", "build", "jit", "operands", "run", "sums", "weights")


def tool(name: str) -> str:
    """The path of clang, or of a tool that lies beside it; ExecutionError where there is none."""
    clang = shutil.which("clang")
    if clang is None:
        raise ExecutionError("no clang", remedy="run 'make ci-tools' as root")
    if name == "clang":
        return clang
    found = _run([clang, f"-print-prog-name={name}"]).strip()
    return found if Path(found).is_file() else (shutil.which(name) or name)


def leave_one_tile_of_each_family(listing: Path, isas: Collection[str] = ()) -> None:
    """Of a kernels.def the first row of every family that this CPU runs.

    Rows come from the least tile to the largest: the first serves what the others serve. isas: of
    these alone, where any are named.
    """
    first: dict[tuple[object, ...], str] = {}
    for row in native.kernels():
        if row.usable and (not isas or row.isa in isas):
            family = (row.activations, row.strategy, row.op, row.isa, row.generated)
            first.setdefault(family, row.name)

    def stays(line: str) -> bool:
        row = re.match(r"SB_KERNEL\w*\((\w+), (\w+), (\w+), (\w+), (\w+)", line)
        return row is None or "sb_{}_{}_{}_{}__{}".format(*row.groups()) in first.values()

    lines = listing.read_text(encoding="utf-8").splitlines(keepends=True)
    listing.write_text("".join(filter(stays, lines)), encoding="utf-8")


def source_of(folder: Path) -> Path:
    """The copy of native/src that the library of a folder is built from."""
    return folder / "tree" / "native" / "src"


def build_library(folder: Path) -> Path:
    """libsignbin.a with the sanitizers and what guides a fuzzer; built again where it is stale."""
    library, stamp = folder / "library" / "libsignbin.a", folder / "built"
    state = _state()
    if library.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return library
    tree = folder / "tree"
    for stale in (tree, folder / "counting"):
        shutil.rmtree(stale, ignore_errors=True)
    for each in ("include", "src"):
        shutil.copytree(_NATIVE / each, tree / "native" / each)
    shutil.copy(ROOT / "CMakeLists.txt", tree)
    leave_one_tile_of_each_family(source_of(folder) / "kernels.def")
    unguided = folder / "unguided"
    unguided.write_text(_UNGUIDED, encoding="utf-8")
    ignored = f"-fsanitize-coverage-ignorelist={unguided}"
    flags = " ".join((*_GUIDED, ignored, "-O2", "-Dalways_inline="))
    cmake = shutil.which("cmake") or str(ROOT / ".venv" / "bin" / "cmake")
    asked = {
        "CMAKE_C_COMPILER": tool("clang"),
        "CMAKE_C_FLAGS": flags,
        "CMAKE_BUILD_TYPE": "None",
        "SIGNBIN_SANITIZE": "ON",
    }
    options = [f"-D{name}={value}" for name, value in asked.items()]
    _run([cmake, "-S", str(tree), "-B", str(library.parent), *options])
    _run([cmake, "--build", str(library.parent), "--parallel", "2", "--target", "signbin"])
    stamp.write_text(state, encoding="utf-8")
    return library


def link(
    target: NativeTarget,
    folder: Path,
    *,
    plant: NativePlant | None = None,
    counting: bool = False,
) -> Path:
    """The fuzzer of a target. plant: with this bug; counting: with a count of every line run."""
    library = build_library(folder)
    kind = "planted" if plant else "counting" if counting else "fuzzer"
    program = folder / f"{target.name}-{kind}"
    harness = _NATIVE / "tests"
    sources = [path for path in sorted((harness / "fuzz").glob("*.c")) if path.stem != "replay"]
    sources += [harness / "chance.c", harness / "hostile.c"]
    include = [f"-I{_NATIVE / 'include'}", f"-I{_NATIVE / 'src'}"]
    objects: list[Path] = []
    if plant is not None:
        beside = f"-iquote{(_NATIVE / 'src' / plant.file).parent}"
        flags = (*_GUIDED, beside)
        objects = [_compile(_planted(plant, folder), folder, include, flags)]
    if counting:
        rooms_of = source_of(folder)
        rooms = [path for room in _ROOMS for path in sorted((rooms_of / room).glob("*.c"))]
        counted = [f"-I{_NATIVE / 'include'}", f"-I{rooms_of}"]
        objects = [_compile(path, folder / "counting", counted, _COUNTED) for path in rooms]
    linked = [*_LANGUAGE, *_SANITIZED, "-fsanitize=fuzzer", _GUIDED[1]]
    linked += _COUNTED[:1] if counting else ()
    given = [f"-DSB_TARGET=sb_fuzz_{target.name}", *include, *map(str, (*sources, *objects))]
    _run([tool("clang"), *linked, *given, str(library), "-lm", "-o", str(program)])
    return program


def _planted(plant: NativePlant, folder: Path) -> Path:
    """A copy of the file with the bug."""
    source = _NATIVE / "src" / plant.file
    text = source.read_text(encoding="utf-8")
    if text.count(plant.sound) != 1:
        raise ExecutionError(f"planted bug in {plant.file}", value=plant.sound, allowed="once")
    copy = folder / "planted" / plant.file.replace("/", "-")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text.replace(plant.sound, plant.unsound), encoding="utf-8")
    return copy


def _compile(source: Path, folder: Path, include: Sequence[str], flags: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{source.parent.name}-{source.stem}.o"
    if made.is_file() and _COUNTED[0] in flags:
        return made
    command = [tool("clang"), *_LANGUAGE, *_SANITIZED, *flags, *include]
    _run([*command, "-c", str(source), "-o", str(made)])
    return made


def _state() -> str:
    """Another text where any file that the library is made of has changed."""
    digest = hashlib.sha256()
    files = [path for room in ("include", "src") for path in (_NATIVE / room).rglob("*")]
    for path in sorted([*files, ROOT / "CMakeLists.txt", Path(__file__).resolve()]):
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExecutionError(
            f"{Path(command[0]).name} failed", reason=(done.stderr or done.stdout)[-2000:]
        )
    return done.stdout
