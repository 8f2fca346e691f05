"""Where does it live? What a newcomer looks for is named where newcomers look, and is there."""

from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "signbin"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")


class Question(NamedTuple):
    """A thing that is looked for, by a word of the field, and what its home says about it."""

    word: str
    home: str  # from the root of the repository
    says: str  # a line of the home that only the home of this thing would have


QUESTIONS = (
    Question("threshold", "src/signbin/quant/quantizers/signed_binary.py", "magnitude_threshold"),
    Question("filters together", "src/signbin/plan/strategies.py", "largest_group"),
    Question("file format", "src/signbin/artifact/container.py", "def encode"),
    Question("order of passes", "src/signbin/passes/pipeline.py", "PASSES: Final"),
    Question("batch norm", "src/signbin/passes/fold_batch_norm.py", "def fold_batch_norm"),
    Question("bucket walk", "native/src/kernels/bucket/walk.h", "Gray"),
    Question("exit code", "src/signbin/cli/__init__.py", "Exit codes"),
    Question("per chunk", "native/src/kernels/bucket/walk.h", "S starts at zero"),
    Question("prices", "src/signbin/analysis/tables/stonne.toml", "multiplier.multiply"),
    Question("halo", "native/src/kernels/layout/halo.h", "sb_layout_halo"),
    Question("recipe", "src/signbin/train/recipes/cifar10-resnet20.yaml", "recipe: cifar10"),
    Question("rounding", "src/signbin/ir/requantization.py", "def finish"),
    Question("threads", "native/src/run/run.c", "operands.shares"),
    Question("CPU features", "native/src/cpu.c", "sb_cpu_get"),
    Question("machine code", "native/src/jit/emitter.c", "put_vex"),
    Question("distillation", "src/signbin/train/teacher.py", "def load_teacher"),
    Question("hopeless", "src/signbin/train/failures.py", "class CollapseError"),
    Question("peers", "src/signbin/measure/peers/__init__.py", "PEERS: Final"),
    Question("README", "pages.py", "TABLES: Final"),
    Question("trade-off page", "experiments/trade_off/page.py", "def pages"),
    Question("hostile", "tests/hostile/test_sbn.py", "any_byte_altered"),
    # What nine of ten newcomers missed before the house had this page.
    Question("operation", "src/signbin/ir/ops.py", "OPS: Final"),
    Question("arena", "src/signbin/layout/arena.py", "def plan_memory"),
    Question("lanes", "src/signbin/layout/lanes.py", "def plan_lanes"),
    Question("`signbin new`", "src/signbin/train/untrained.py", "def new_network"),
    Question("FACTORY", "src/signbin/verbs/source.py", "def load_source"),
    Question("additions", "src/signbin/plan/operations.py", "class Operations"),
    Question("tolerance", "src/signbin/verbs/compare.py", "TOLERANCE"),
    Question("generated images", "src/signbin/noise_images.py", "def noise_images"),
    Question("JSON", "src/signbin/documents.py", "def from_document"),
)


def test_there_are_thirty_questions_about_as_many_things() -> None:
    assert len({question.word for question in QUESTIONS}) == 30


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.word)
def test_the_home_of_a_thing_exists_and_is_about_it(question: Question) -> None:
    home = ROOT / question.home
    assert home.is_file(), f"{question.word}: {question.home} is gone"
    assert question.says in home.read_text(encoding="utf-8")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.word)
def test_a_page_for_newcomers_names_the_home_beside_the_word(question: Question) -> None:
    name = question.home.removeprefix("src/signbin/").removeprefix("native/src/")
    lines = [
        line
        for page in PAGES
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if f"{name}`" in line or f"{name})" in line
    ]
    assert any(question.word.lower() in line.lower() for line in lines), (
        f"none of {', '.join(PAGES)} names {name} in a line with {question.word!r}"
    )
