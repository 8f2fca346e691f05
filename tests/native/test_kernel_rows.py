"""Rows of kernels.def: each is one kernel whose name, file and flags follow from it."""

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest

from signbin import native

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "native" / "src" / "kernels"
LIST = ROOT / "native" / "src" / "kernels.def"
ISAS = native.isas()[1:]


@dataclasses.dataclass(frozen=True)
class Row:
    """What one line says. vectors: pixels, in a row of products."""

    macro: str
    act: str
    strategy: str
    op: str
    tile: str
    isa: str
    filters: int
    vectors: int
    lanes: int
    together: int = 0

    @property
    def name(self) -> str:
        return f"sb_{self.act}_{self.strategy}_{self.op}_{self.tile}__{self.isa}"

    @property
    def template(self) -> str:
        return f"{self.macro.removeprefix('SB_').lower()}.c.in"

    @property
    def place(self) -> tuple:
        """Where it stands in the list."""
        tile = (self.together > 0, self.filters, self.vectors, self.lanes)
        return self.strategy, ISAS.index(self.isa), self.act, self.op, tile


def read(line: str) -> Row:
    match = re.fullmatch(r"(SB_KERNEL\w*)\((.*)\)", line)
    assert match is not None, line
    columns = match[2].split(", ")
    return Row(match[1], *columns[:5], *map(int, columns[5:]))


LINES = LIST.read_text(encoding="utf-8").splitlines()
ROWS = [read(line) for line in LINES if line.startswith("SB_KERNEL")]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_rows_are_what_the_library_lists() -> None:
    listed = [
        (row.name, row.activations, row.strategy, row.op, row.isa, row.filters, row.vectors)
        for row in native.kernels()
    ]
    said = [
        (row.name, row.act, row.strategy, row.op, row.isa, row.filters, row.vectors) for row in ROWS
    ]
    assert listed == said
    assert [row.together for row in native.kernels()] == [row.together for row in ROWS]


def test_a_name_belongs_to_one_row() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_rows_stand_by_family_instruction_set_and_tile() -> None:
    assert [row.name for row in ROWS] == [row.name for row in sorted(ROWS, key=lambda r: r.place)]


def test_lines_fit_the_screen() -> None:
    assert max(map(len, LINES)) <= 100


@each_row
def test_a_tile_says_the_numbers_of_its_row(row) -> None:
    if row.strategy in ("direct", "layout"):
        assert row.tile == f"x{row.lanes}"
        assert row.filters == 0
    else:
        letter = "g" if row.macro == "SB_KERNEL_GENERATED" else "f"
        assert row.tile == f"{letter}{row.filters}v{row.vectors}"
        assert row.filters > 0
    assert (row.vectors > 0) is (row.strategy != "layout")
    assert (row.together > 0) is (row.macro == "SB_KERNEL_GENERATED")


@each_row
def test_a_row_names_what_there_is(row) -> None:
    assert row.isa in ISAS
    assert row.act in ("f32", "u8")
    assert (KERNELS / row.strategy).is_dir()
    assert (KERNELS / row.template).is_file()


def test_every_template_is_used() -> None:
    assert {path.name for path in KERNELS.glob("*.in")} == {row.template for row in ROWS}


def test_no_kernel_is_written_by_hand() -> None:
    assert not list(KERNELS.rglob("*.c"))


def test_every_file_is_of_a_row_and_says_of_which(kernel_files) -> None:
    of_rows = [path for path in kernel_files if not path.stem.startswith("passes__")]
    assert sorted(path.stem for path in of_rows) == sorted(row.name for row in ROWS)
    lines = dict(zip((row.name for row in ROWS), filter(is_row, LINES), strict=True))
    templates = {row.name: row.template for row in ROWS}
    for path in of_rows:
        head = path.read_text(encoding="utf-8").split("*/")[0]
        assert lines[path.stem] in head
        assert f"kernels/{templates[path.stem]}" in head


def is_row(line: str) -> bool:
    return line.startswith("SB_KERNEL")


@pytest.fixture(scope="session")
def compiled(cmake, tmp_path_factory):
    """processor -> {kernel: its compiler's command} of the C library alone, without Python."""

    def configure(processor: str) -> dict[str, str]:
        build = tmp_path_factory.mktemp(processor)
        given = {"SYSTEM_NAME": "Linux", "SYSTEM_PROCESSOR": processor}
        given |= {"EXPORT_COMPILE_COMMANDS": "ON"}
        options = [f"-DCMAKE_{name}={value}" for name, value in given.items()]
        command = [cmake, "-S", str(ROOT), "-B", str(build), "-DSIGNBIN_PYTHON=OFF", *options]
        subprocess.run(command, check=True, capture_output=True)
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        commands = {Path(entry["file"]).stem: entry["command"] for entry in entries}
        return {name: said for name, said in commands.items() if name.startswith("sb_")}

    return configure


def test_on_x86_every_row_is_compiled_for_its_instruction_set(compiled) -> None:
    commands = compiled("x86_64")
    here = [row for row in ROWS if not row.isa.startswith("neon")]
    assert set(commands) == {row.name for row in here}
    flags = {"avx2": "-mavx2", "avx512": "-mavx512f", "avx512vnni": "-mavx512vnni"}
    for row in here:
        words = commands[row.name].split()
        given = [word for word in words if word.startswith("-m")]
        assert flags[row.isa] in given if row.isa in flags else not given
        products = row.strategy == "dense" or "_direct_matmul_" in row.name
        fused = row.act == "f32" and products and row.isa in flags
        assert ("-ffp-contract=fast" in words) is fused


def test_on_arm_rows_of_x86_are_left_out_and_its_own_are_compiled(compiled) -> None:
    commands = compiled("aarch64")
    here = [row for row in ROWS if "avx" not in row.isa]
    assert set(commands) == {row.name for row in here}
    flags = {
        "neon": "-march=armv8-a",
        "neon_dot": "-march=armv8.2-a+dotprod",
        "neon_i8mm": "-march=armv8.2-a+dotprod+i8mm",
    }
    for row in here:
        given = [word for word in commands[row.name].split() if word.startswith("-m")]
        assert given == ([flags[row.isa]] if row.isa in flags else [])


# Documents of the kernels of today; results keep the names they were measured under.
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MEASURED = ("benchmarks.md", "tradeoff.md", "weight-kinds.md")
OURS = [path for path in DOCUMENTS if path.name not in MEASURED]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_tiles_and_kernels_that_documents_name_exist(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\b[fg]\d+v\d+\b", text)) <= {row.tile for row in ROWS}
    names = set(re.findall(r"\bsb_(?:f32|u8)_\w+__[a-z0-9_]+", text))
    assert names <= {row.name for row in ROWS}


def tiles(act: str, strategy: str, isa: str) -> set[tuple[int, int]]:
    """F and V of the convolutions of a family."""
    wanted = (act, strategy, "conv2d", isa)
    found = [row for row in ROWS if (row.act, row.strategy, row.op, row.isa) == wanted]
    return {(row.filters, row.vectors) for row in found}


def test_the_tiles_of_dense_layers_in_the_documentation_are_those_of_the_list() -> None:
    text = " ".join((ROOT / "docs" / "kernels.md").read_text(encoding="utf-8").split())
    floats = re.search(
        r"\((\d+) filters by (\d+) vectors on AVX2, (\d+) by (\d+) on AVX-512\)", text
    )
    assert floats is not None
    assert tiles("f32", "dense", "avx2") == {(int(floats[1]), int(floats[2]))}
    assert tiles("f32", "dense", "avx512") == {(int(floats[3]), int(floats[4]))}
    arm = re.search(r"any lane of a register: (\d+) filters by (\d+) vectors", text)
    assert arm is not None
    assert tiles("f32", "dense", "neon") == {(int(arm[1]), int(arm[2]))}
    codes = re.findall(r"\| `(\w+)` \| [^|]+ \| (\d+) x (\d+) \|", text)
    assert [isa for isa, *_ in codes] == ["avx2", "avx512vnni", "neon", "neon_dot", "neon_i8mm"]
    for isa, filters, pixels in codes:
        assert tiles("u8", "dense", isa) == {(int(filters), int(pixels))}


def test_interleaved_walks_in_the_documentation_are_those_of_the_list() -> None:
    text = " ".join((ROOT / "docs" / "kernels.md").read_text(encoding="utf-8").split())
    here = [row for row in ROWS if row.isa == "avx2"]
    most = {act: max(row.together for row in here if row.act == act) for act in ("f32", "u8")}
    assert f"walks of up to {most['f32']} groups" in text
    assert f"Codes (one cycle) need {most['u8']} walks" in text
