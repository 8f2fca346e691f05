"""The rooms and who may import whom; no circles; sizes; names; examples in docstrings that run."""

import ast
import collections
import doctest
import graphlib
import importlib
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "signbin"
NATIVE = Path(__file__).parents[1] / "native"

# docs/rooms.toml says who may import whom; the ground and the own room always.
PLAN = tomllib.loads((Path(__file__).parents[1] / "docs" / "rooms.toml").read_text("utf-8"))
GROUND = set(PLAN["ground"])
ROOMS = PLAN["rooms"]
# Beside them: the face, which loads what it offers on first use, and ``python -m signbin``.
DOORS = {
    "": {"imports": ["calibrate", "hybrid", "packed", "runtime", "tune", "verbs"]},
    "__main__": {"imports": ["cli"]},
}
GROUND_PACKAGES = PLAN["ground_packages"]
PLACES = {
    **{name: {"imports": [], "packages": GROUND_PACKAGES.get(name, [])} for name in sorted(GROUND)},
    **ROOMS,
    **DOORS,
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            names.add(node.module or "")
            if node.module == "signbin":
                names.remove("signbin")
                names.update(
                    f"signbin.{a.name}"
                    if (PACKAGE / a.name).exists() or (PACKAGE / f"{a.name}.py").exists()
                    else "signbin"
                    for a in node.names
                )
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_it_may(path: Path) -> None:
    room = room_of(path)
    assert room in PLACES, f"{room} is a room that docs/rooms.toml does not know"
    for name in imported_modules(path):
        if name == "signbin" or name.startswith("signbin."):
            other = name.partition(".")[2].partition(".")[0]
            allowed = {*PLACES[room]["imports"], *GROUND, room}
            assert other in allowed, f"{path}: {room or 'signbin'} may not import {name}"


def test_rooms_import_only_rooms_before_them_and_all_they_are_said_to() -> None:
    names = list(ROOMS)
    for number, (room, row) in enumerate(ROOMS.items()):
        modules = {
            name for path in FILES if room_of(path) == room for name in imported_modules(path)
        }
        used = {name.split(".")[1] for name in modules if name.startswith("signbin.")} & set(names)
        assert used - {room} == set(row["imports"]), f"docs/rooms.toml: imports of {room}"
        assert used <= set(names[: number + 1]), f"{room} imports a room that comes after it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_the_packages_it_may(path: Path) -> None:
    for name in imported_modules(path):
        top = name.partition(".")[0]
        if top in {"signbin", ""} or top in sys.stdlib_module_names:
            continue
        allowed = {"numpy", *PLACES[room_of(path)].get("packages", ())}
        assert top in allowed, f"{path}: {room_of(path)} may not import {top}"


def file_of(module: str) -> Path | None:
    base = PACKAGE.joinpath(*module.split(".")[1:])
    found = (p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists())
    return next(found, None)


def home_of(module: str, name: str) -> Path | None:
    """The file that defines a name, followed through the packages that offer it as theirs."""
    part = f"{module}.{name}"
    if file_of(part) or PACKAGE.joinpath(*part.split(".")[1:]).with_suffix(".pyi").exists():
        return file_of(part)  # None where it is the native module
    path = file_of(module)
    if path is not None and path.name == "__init__.py" and path.parent != PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and name in {
                a.asname or a.name for a in node.names
            }:
                return home_of(node.module or "", name)
    return path


def files_imported_by(path: Path) -> set[Path]:
    """Files of signbin a file asks for: at its head, inside functions, or for its types alone."""
    found: set[Path | None] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "signbin"]
            found.update(map(file_of, names))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "signbin":
            found.update(home_of(node.module or "", alias.name) for alias in node.names)
    return {other for other in found if other is not None}


def test_no_files_import_each_other_in_a_circle() -> None:
    order = graphlib.TopologicalSorter({path: files_imported_by(path) for path in FILES})
    try:
        order.prepare()
    except graphlib.CycleError as error:
        circle = " <- ".join(str(path.relative_to(PACKAGE)) for path in error.args[1])
        pytest.fail(f"files import each other: {circle}")


GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"
# Words of the glossary that mean one thing -> rooms whose public classes may be called by them.
ONE_MEANING = {
    "program": {"runtime", "tune", "diagnose", "hybrid", "nn"},  # what runs
    "graph": {"ir"},
    "code": {"quant", "plan"},  # of weights and activations; machine code says that it is
    "artifact": {"artifact"},
    "calibration": {"calibrate", "verbs"},
    "plan": {"plan", "layout", "errors"},
    "tile": {"plan"},
}


def test_the_glossary_has_every_word_once_and_in_order() -> None:
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    words = [word for word, after in itertools.pairwise(lines) if after.startswith(": ")]
    assert len(words) > 40
    assert words == sorted(set(words), key=str.casefold)
    assert set(ONE_MEANING) <= set(words)


def public_classes() -> Iterator[tuple[str, Path]]:
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, path


def test_a_word_of_the_glossary_names_classes_of_its_own_rooms_alone() -> None:
    for name, path in public_classes():
        for word in re.findall("[A-Z][a-z0-9]*", name):
            rooms = ONE_MEANING.get(word.lower())
            assert rooms is None or room_of(path) in rooms, f"{path}: {name}: see the glossary"


def test_no_two_public_classes_share_a_name() -> None:
    homes = collections.defaultdict(list)
    for name, path in public_classes():
        homes[name].append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


EXAMPLES = [path for path in FILES if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_examples_in_docstrings_are_true(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    kinds = getattr(module, "_KINDS", {})
    before = dict(kinds)
    try:
        result = doctest.testmod(module)
    finally:  # an example that registers a class of its own leaves the list as it was
        for added in kinds.keys() - before.keys():
            del kinds[added]
    assert result.attempted > 0, f"{path}: its examples stand in no docstring"
    assert result.failed == 0


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_importing_signbin_loads_neither_numpy_nor_torch() -> None:
    assert (
        run_python(
            "import signbin, sys; print([m for m in ('numpy', 'torch') if m in sys.modules])"
        )
        == "[]"
    )


def test_running_a_model_never_loads_torch() -> None:
    loaded = run_python(
        "import sys, signbin; signbin.Program; import signbin.diagnose, signbin.report,"
        " signbin.verbs.compile; print([m for m in ('torch', 'typer', 'yaml', 'PIL') if m in"
        " sys.modules])"
    )
    assert loaded == "[]"


def test_every_public_name_exists() -> None:
    import signbin

    assert sorted(signbin.__all__) == sorted(set(signbin.__all__))
    for name in signbin.__all__:
        assert getattr(signbin, name) is not None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_python_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_functions_stay_small(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


# Rooms of native/src ("": what lies in none of them) and of its kernels -> rooms they may include.
KERNEL_ROOMS = {"bitserial", "bucket", "dense", "direct", "lane", "layout", "sums", "table"}
MAY_INCLUDE = {
    "": {"kernels"},
    "kernels": set(),
    "kernels/lane": {"kernels"},
    **{f"kernels/{room}": {"kernels", "kernels/lane"} for room in KERNEL_ROOMS - {"lane"}},
    # What turns the sums of a walk into a layer's output serves all that sum codes.
    **{
        f"kernels/{room}": {"kernels", "kernels/lane", "kernels/bucket"}
        for room in ("bitserial", "dense", "sums")
    },
    # Lanes hold filters in both.
    "kernels/table": {"kernels", "kernels/lane", "kernels/bucket", "kernels/dense"},
    "jit": {"", "kernels"},
    "operands": {"", "kernels", "kernels/dense"},
    "weights": {"", "kernels", *(f"kernels/{room}" for room in KERNEL_ROOMS), "operands"},
    "run": {"", "operands"},
    "build": {"", "jit", "operands", "run", "weights"},
    "sums": {""},
    "training": {"run"},
}
C_SOURCES = sorted(path for path in (NATIVE / "src").rglob("*.[ch]"))
C_HEADERS = sorted((NATIVE / "include").glob("*.h"))
C_FILES = [
    *C_SOURCES,
    *C_HEADERS,
    *sorted((NATIVE / "tests").rglob("*.[ch]")),
    *sorted(path for path in (PACKAGE / "native").iterdir() if path.suffix in (".cpp", ".h")),
]
C_FUNCTION = re.compile(r"\)[\w\s]*$")
C_NOISE = re.compile(
    r"""/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""",
    re.DOTALL | re.MULTILINE,
)


def c_room_of(path: Path) -> str:
    folders = path.relative_to(NATIVE / "src").parent.parts
    return "/".join(folders[:2])


def c_includes(path: Path) -> set[Path]:
    """The headers of ours that a C or C++ file includes."""
    text = path.read_text(encoding="utf-8")
    found = set()
    for name in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+\.h)[>"]', text, re.MULTILINE):
        places = (path.parent, NATIVE / "src", NATIVE / "include")
        found.update([(place / name).resolve() for place in places if (place / name).exists()][:1])
    return found


def c_functions(path: Path) -> Iterator[tuple[int, str, int]]:
    """First line, text before the body and number of lines of every function of a file."""
    text = C_NOISE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text(encoding="utf-8"))
    depth, body, begin = 0, -1, 0  # body: the depth that the function at hand is at; -1: in none
    for at, letter in enumerate(text):
        head = text[begin:at]
        if letter == "{":
            if body < 0 and C_FUNCTION.search(head):
                body, first, name = depth, begin + len(head) - len(head.lstrip()), head.strip()
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == body:
                body = -1
                yield text[:first].count("\n") + 1, name, text[first:at].count("\n") + 1
        if body < 0 and letter in "{};":
            begin = at + 1


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda p: str(p.relative_to(NATIVE)))
def test_a_c_room_includes_only_the_rooms_it_may(path: Path) -> None:
    room = c_room_of(path)
    assert room in MAY_INCLUDE, f"{room} is a room the matrix does not know"
    for header in c_includes(path):
        if header.is_relative_to(NATIVE / "src"):
            allowed = MAY_INCLUDE[room] | {room}
            assert c_room_of(header) in allowed, f"{path}: {room or 'src'} may not include {header}"


def test_c_files_go_round_in_no_circle() -> None:
    """A header and the file that defines what it declares count as one."""
    below: dict[Path, set[Path]] = {}
    for path in C_FILES:
        names = {header.with_suffix("") for header in c_includes(path)}
        below.setdefault(path.with_suffix(""), set()).update(names - {path.with_suffix("")})
    try:
        graphlib.TopologicalSorter(below).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(str(name.name) for name in error.args[1]))


@pytest.mark.parametrize("path", C_FILES, ids=lambda p: p.name)
def test_c_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for line, name, length in c_functions(path):
        assert length <= 60, f"{path}:{line} {name} has {length} lines"


def test_the_c_library_never_aborts_prints_or_exits() -> None:
    for path in sorted((NATIVE / "src").rglob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        for word in ("abort(", "exit(", "printf(", "assert("):
            assert word not in text.replace("snprintf(", "").replace("static_assert(", "").replace(
                "_Static_assert(", ""
            ), f"{path} calls {word})"
