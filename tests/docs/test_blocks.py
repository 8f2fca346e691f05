"""Every command and every line of Python of the documentation runs as written."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from signbin.train.data.fashion_mnist import DEBIAN_FOLDER
from tests.docs.blocks import DOCS, ROOT, blocks_of, check_out, expect_known, pages, walk

GUIDES = sorted(path.stem for path in (DOCS / "guides").glob("*.md") if path.stem != "index")
# Begun in an empty checkout with an image, a network and a data set of one's own.
FRESH = ("README.md", "docs/guide.md")
# Begun where the start page ended, as the guides are.
STARTED = (
    *(f"docs/guides/{name}.md" for name in GUIDES),
    *("docs/kernels.md", "docs/live-page.md", "docs/microcontrollers.md", "docs/simulator.md"),
)
START = "docs/start.md"
# Tens of seconds each: `make test-all`.
LONG = {
    *("README.md", "docs/guide.md", "docs/live-page.md"),
    *("docs/guides/cluster.md", "docs/guides/kernel.md"),
}
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
NEEDS_CLOTHES = {"docs/live-page.md"}


def named(*names: str) -> list:
    return [
        pytest.param(name, marks=pytest.mark.wide if name in LONG else (), id=name)
        for name in names
    ]


def expect_clothes(name: str) -> None:
    if name in NEEDS_CLOTHES and not DEBIAN_FOLDER.is_dir():
        pytest.skip("dataset-fashion-mnist: make ci-tools")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the start page leaves."""
    folder = check_out(tmp_path_factory.mktemp("start"))
    said = walk(ROOT / START, folder)
    assert "images are right" in said
    return folder


@pytest.fixture
def fresh(started: Path, tmp_path: Path) -> Path:
    """A checkout with what a reader brings along."""
    folder = check_out(tmp_path / "fresh")
    images = sorted((started / "images").glob("*.png"))
    shutil.copytree(started / "images", folder / "images")
    shutil.copy(images[0], folder / "image.png")
    write_small_cifar10(folder / "cifar10")
    write_small_fashion_mnist(folder / "fashion-mnist")
    return folder


def write_small_cifar10(folder: Path) -> None:
    """CIFAR-10 as an image folder, of noise: a batch of the recipes, and a few to test."""
    from PIL import Image

    numbers = np.random.default_rng(0)
    for part, count in (("train", 13), ("test", 2)):
        for label in CIFAR10:
            (folder / part / label).mkdir(parents=True)
            for i in range(count):
                pixels = numbers.integers(256, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{i}.png")


def write_small_fashion_mnist(folder: Path) -> None:
    """Fashion-MNIST as its four files, of noise: a batch of the recipe, and a few to test."""
    folder.mkdir()
    numbers = np.random.default_rng(0)
    for part, count in (("train", 130), ("t10k", 20)):
        pixels = numbers.integers(256, size=(count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = np.array([0x800 + array.ndim, *array.shape], dtype=">u4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())


@pytest.mark.parametrize("name", named(*STARTED))
def test_a_page_runs_from_its_first_line_to_its_last(
    name: str, started: Path, tmp_path: Path
) -> None:
    expect_clothes(name)
    shutil.copytree(started, tmp_path / "here", symlinks=True)
    walk(ROOT / name, tmp_path / "here")


@pytest.mark.parametrize("name", named(*FRESH))
def test_a_page_that_begins_with_nothing_runs_to_its_last_line(name: str, fresh: Path) -> None:
    expect_clothes(name)
    walk(ROOT / name, fresh)


@pytest.mark.wide
def test_a_card_says_how_its_network_is_compiled(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "zoo", tmp_path / "zoo")
    walk(ROOT / "zoo" / "README.md", tmp_path)
    for card in sorted(tmp_path.glob("zoo/*-*.md")):
        walk(card, tmp_path / "zoo")
        assert (tmp_path / "zoo" / f"{card.stem}.sbn").is_file()


def test_every_block_says_what_becomes_of_it() -> None:
    for page in pages():
        for block in blocks_of(page):
            expect_known(block)


def test_every_page_with_something_to_run_is_run() -> None:
    run = {ROOT / name for name in (START, *FRESH, *STARTED)} | set((ROOT / "zoo").glob("*.md"))
    wanted = {page for page in pages() if any(block.is_run for block in blocks_of(page))}
    assert wanted - run == set()
    assert wanted, "no page has a block"


def test_what_is_left_to_ci_is_a_step_of_ci() -> None:
    ci = ROOT / ".ci" / "run"
    if not ci.is_file():
        pytest.skip("a source archive has no .ci/run")
    steps = ci.read_text(encoding="utf-8")
    left = [block for page in pages() for block in blocks_of(page) if block.words == ("sh", "ci")]
    assert left
    for block in left:
        for line in block.lines:
            program, *targets = line.split()
            ran = [step.split() for step in steps.splitlines() if step.startswith(f"{program} ")]
            assert any(set(targets) <= set(step) for step in ran), f"{block.place}: {line}"


def test_every_guide_is_listed_in_the_order_of_the_page() -> None:
    listed = (DOCS / "guides" / "index.md").read_text(encoding="utf-8")
    assert {name for name in GUIDES if f"\n{name}\n" not in listed} == set()


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\necho on\n```\n",
        "```python\nraise SystemExit(3)\n```\n",
        "```python kept.py\nraise SystemExit(3)\n```\n\n```sh\npython kept.py\n```\n",
    ],
)
def test_a_command_that_fails_fails_the_page(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        walk(page, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "```\nsignbin doctor\n```\n",
        "```console\n$ signbin doctor\n```\n",
        "```sh skipped\nsignbin doctor\n```\n",
        "So:\n\n    signbin doctor\n",
        "1. So:\n\n   ```bash\n   signbin doctor\n   ```\n",
    ],
)
def test_a_block_that_nobody_runs_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    (block,) = blocks_of(page)
    with pytest.raises(AssertionError, match="run by nobody"):
        expect_known(block)
