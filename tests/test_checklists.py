"""Whatever stands on a list has all its parts, and CONTRIBUTING's checklists name every part.

A part is a file or a folder, and a question about a name: does it know it? A thing that was added
without one of them fails here, and the message says which file to go to.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from signbin import native
from signbin.analysis.accelerators import ACCELERATORS
from signbin.analysis.tables import table_names
from signbin.cli.app import VERBS
from signbin.ir import OPS
from signbin.measure.peers import PEERS
from signbin.passes.pipeline import PASSES
from signbin.plan import Strategy
from signbin.plan.strategies import STRATEGIES
from signbin.quant import ACTIVATION_QUANTIZERS, ESTIMATORS, QUANTIZERS
from signbin.train.data import DATASETS
from signbin.train.models import MODELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "signbin"
RECIPES = PACKAGE / "train" / "recipes"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


class Part(NamedTuple):
    """A place of a thing, as CONTRIBUTING names it, and whether it knows the thing."""

    place: str
    knows: Callable[[str], bool]


class Checklist(NamedTuple):
    """What CONTRIBUTING calls a kind of thing, all there are, and where each must be."""

    title: str
    names: Iterable[str]
    parts: tuple[Part, ...]


def path_of(place: str) -> Path:
    """A place as CONTRIBUTING names it: in the package, in the C library, or from the root."""
    found = (ROOT / folder / place for folder in ("src/signbin", "native/src", ""))
    return next((path for path in found if path.exists()), ROOT / place)


def text_of(place: str) -> str:
    path = path_of(place)
    files = sorted(path.rglob("*.*")) if path.is_dir() else [path]
    kinds = {".py", ".md", ".toml", ".yaml", ".h", ".c", ".def", ".in", ".txt", ".ir"}
    return "\n".join(f.read_text(encoding="utf-8") for f in files if f.suffix in kinds)


def names(place: str, form: str = r"\b{}\b", called: Callable[[str], str] = str) -> Part:
    """The part whose text has the name, or what the thing is called there, as a whole word."""
    return Part(
        place,
        lambda name: re.search(form.format(re.escape(called(name))), text_of(place)) is not None,
    )


def has_file(folder: str, form: str) -> Part:
    return Part(folder, lambda name: any(path_of(folder).glob(form.format(name))))


def class_in(list_: Mapping[str, type]) -> Callable[[str], str]:
    return lambda name: list_[name].__name__ if name in list_ else f"class of {name}"


def file_of(name: str) -> Path:
    return PEERS[name].file


def family_of(name: str) -> str:
    return PEERS[name].family.name if name in PEERS else name


def of_classes(title: str, list_: Mapping[str, type], home: str, tests: str) -> Checklist:
    """What every class of a list of signbin.quant has; its tests name it, or its kind."""

    def tested(name: str) -> bool:
        text = text_of(f"tests/quant/{tests}")
        return f'"{name}"' in text or re.search(rf"\b{class_in(list_)(name)}\b", text) is not None

    parts = (
        names(home, r"class {}\(", class_in(list_)),
        names("quant/__init__.py", '"{}"', class_in(list_)),
        Part(f"tests/quant/{tests}", tested),
    )
    return Checklist(title, list_, parts)


FOLDED = {"batch_norm", "relu", "leaky_relu", "prelu", "clamp", "add", "channel_bias", "flatten"}
FOLDED |= {"subtract", "reshape"}
"""Operations that passes fold away, or that the elementwise kernel computes."""
MADE = {"quantize", "dequantize"}
"""Operations that no model has: passes put them around codes."""
RENAMED = {
    "global_avg_pool": "avg_pool2d",
    **dict.fromkeys(("concat", "slice_channels", "channel_shuffle"), "channels"),
    **dict.fromkeys(("transpose", "slice", "expand"), "strided"),
    "layer_norm": "normalize_rows",
    "affine": "scale_rows",
    "constant": "fill",
    **dict.fromkeys(("pad", "resize_nearest"), "resample"),
    **dict.fromkeys(("depth_to_space", "space_to_depth"), "resample"),
    "resize_linear": "blend",
}


def in_native_tests(name: str) -> bool:
    return names("tests/native/", '"{}"').knows(RENAMED.get(name, name))


CHECKLISTS = (
    of_classes("A weight quantiser", QUANTIZERS, "quant/quantizers/", "test_closed_forms.py"),
    of_classes("A surrogate gradient", ESTIMATORS, "quant/estimators.py", "test_estimators.py"),
    of_classes(
        "A quantiser of activations",
        ACTIVATION_QUANTIZERS,
        "quant/activations.py",
        "test_activations.py",
    ),
    Checklist(
        "A recipe, a data set, a network",
        sorted(path.stem for path in RECIPES.glob("*.yaml")),
        (names("train/recipes/", r"(?m)^recipe: {}$"),),
    ),
    Checklist(
        "A recipe, a data set, a network",
        DATASETS,
        (
            names("train/data/", '"{}"'),
            names("tests/train/"),
        ),
    ),
    Checklist(
        "A recipe, a data set, a network",
        MODELS,
        (
            names("train/models/__init__.py", '"{}"'),
            names("tests/train/"),
        ),
    ),
    Checklist(
        "An operation",
        OPS,
        (
            names("ir/", '"{}"'),
            names("tests/ir/test_ops.py", '"{}"'),
            names("tests/ir/random_graphs.py", '"{}"'),
        ),
    ),
    Checklist(
        "An operation",
        [name for name in OPS if name not in MADE],
        (
            names("ir/", r"def {}_?\("),
            names("draft/", '"{}"'),
            names("interop/onnx_nodes.py", '"{}"'),
            names("tests/capture/test_operators.py", '"{}"'),
            names("tests/interop/test_onnx_model.py", '"{}"'),
        ),
    ),
    Checklist(
        "An operation",
        [name for name in OPS if name not in FOLDED],
        (
            names("kernels.def", called=lambda name: RENAMED.get(name, name)),
            Part("tests/native/test_direct.py", in_native_tests),
        ),
    ),
    Checklist(
        "A pass",
        [each.__name__ for each in PASSES],
        (
            names("passes/pipeline.py", "    {},"),
            has_file("tests/passes/golden/", "{}.ir"),
        ),
    ),
    Checklist(
        "A family of weights, and its strategy",
        sorted({rule.family for rule in STRATEGIES}),
        (
            Part("kernels/", lambda name: path_of(f"kernels/{name}").is_dir()),
            names("kernels.def"),
            has_file("weights/", "*{}.c"),
            names("weights/families.def"),
            names("native/include/signbin.h", "SB_STRATEGY_{}", str.upper),
            names("registry.c", r"ROW\({}, ", str.upper),
            names("tests/native/"),
        ),
    ),
    Checklist(
        "A family of weights, and its strategy",
        [strategy.value for strategy in Strategy],
        (
            names("plan/plan.py", '"{}"'),
            Part(
                "plan/strategies.py",
                lambda name: name in {rule.strategy.value for rule in STRATEGIES},
            ),
            names("tests/plan/", r"(?i)\b{}\b"),
        ),
    ),
    Checklist(
        "An engine to race",
        PEERS,
        (
            Part(
                "measure/peers/__init__.py",
                lambda name: name in PEERS and PEERS[name].file.is_file(),
            ),
            names("pyproject.toml", "(?m)^{} = ", family_of),
            names("constraints.txt", "(?m)^{}==", family_of),
            names("docs/benchmarks.md", called=family_of),
        ),
    ),
    Checklist(
        "An accelerator, an energy table",
        [each.name for each in ACCELERATORS],
        (
            names("analysis/accelerators/", '"{}"'),
            has_file("analysis/configurations/", "{}.toml"),
            names("docs/simulator.md"),
            names("tests/analysis/"),
        ),
    ),
    Checklist(
        "An accelerator, an energy table",
        table_names(),
        (names("docs/simulator.md"),),
    ),
    Checklist(
        "A verb",
        VERBS,
        (
            names("cli/app.py", '"{}": '),
            names("docs/guide.md", "signbin {}"),
            names("tests/cli/", '"{}"'),
        ),
    ),
)
EVERYTHING = [(each, name) for each in CHECKLISTS for name in each.names]


@pytest.mark.parametrize(
    ("checklist", "name"), EVERYTHING, ids=lambda value: getattr(value, "title", value)
)
def test_it_has_all_its_parts(checklist: Checklist, name: str) -> None:
    missing = [part.place for part in checklist.parts if not part.knows(name)]
    assert missing == [], f"{checklist.title}: {name} is missing in {', '.join(missing)}"


@pytest.mark.parametrize("checklist", CHECKLISTS, ids=lambda checklist: checklist.title)
def test_what_nobody_added_is_missing_everywhere(checklist: Checklist) -> None:
    assert [part.place for part in checklist.parts if part.knows("no_such_thing")] == []


@pytest.mark.parametrize("checklist", CHECKLISTS, ids=lambda checklist: checklist.title)
def test_contributing_names_every_part(checklist: Checklist) -> None:
    section = CONTRIBUTING.partition(f"### {checklist.title}\n")[2].partition("\n#")[0]
    assert [part.place for part in checklist.parts if f"`{part.place}`" not in section] == []


def test_every_place_that_contributing_names_is_there() -> None:
    places = re.findall(r"`([\w./-]+(?:/|\.\w+))`", CONTRIBUTING)
    assert len(places) > 40
    assert [place for place in places if not path_of(place).exists()] == []


def test_every_kernel_is_compared_with_its_reference_under_its_own_name() -> None:
    """Kernels with weights; the others are chosen by instruction set, and tested for each."""
    command = ["-m", "pytest", "--collect-only", "-m", "", "-p", "no:cacheprovider", "tests/native"]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    ids = [line for line in done.stdout.splitlines() if "test_registry.py" not in line]
    families = {rule.family for rule in STRATEGIES}
    with_weights = [row.name for row in native.kernels() if row.strategy in families]
    assert [name for name in with_weights if not any(name in line for line in ids)] == []
    others = {row.op for row in native.kernels()} - {"conv2d", "linear"}
    assert [op for op in others if not re.search(rf"\b{op}\b", text_of("tests/native/"))] == []
