"""The live page: what is drawn and picked is recognised, with the bits that Python gives."""

import base64
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_page.__main__ import main
from live_page.folder import page_files
from live_page.subjects import SHOWN, Subject, clothes, digits
from live_page.web_assembly import missing_tools, web_assembly
from signbin.errors import ExecutionError
from signbin.files import write_folder
from signbin.train import load_recipe, train
from signbin.train.data.fashion_mnist import DEBIAN_FOLDER
from tests.browser.conftest import DESK, PHONE

EPOCHS = 5  # enough for a digit that is drawn as one draws it
OUTPUTS = """async ([name, kind]) => {
    const network = await Network.open(NETWORKS.find((each) => each.name === name), kind);
    const found = Array.from({length: network.count}, (_, i) => network.run(network.image(i)));
    return found.flatMap((scores) => Array.from(new Uint32Array(scores.buffer)));
}"""
# Layer by layer of one image, as text: arrays of numbers would take seconds to hand over.
CODES = """async ([name, kind]) => {
    const network = await Network.open(NETWORKS.find((each) => each.name === name), kind);
    const text = (codes) => codes.reduce((held, code) => held + String.fromCharCode(code), "");
    return Array.from({length: network.count}, (_, i) =>
        network.look(network.image(i)).layers.map((codes) => btoa(text(codes))));
}"""


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """The page, and the networks on it."""

    index: Path
    subjects: dict[str, Subject]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Written once: networks are compiled for browsers."""
    missing = missing_tools()
    if missing:
        pytest.skip(f"{', '.join(missing)}: make ci-tools")
    if not DEBIAN_FOLDER.is_dir():
        pytest.skip("dataset-fashion-mnist: make ci-tools")
    folder = tmp_path_factory.mktemp("live")
    config = load_recipe("digits", {"seeds": [0], "epochs": EPOCHS})
    train(config, folder / "run", progress=False)
    subjects = (digits(folder / "run", folder), clothes())
    write_folder(folder / "page", page_files(subjects))
    return Made(folder / "page" / "index.html", {each.name: each for each in subjects})


@pytest.fixture
def opened(made: Made, open_page: Callable[..., Any], serve) -> Callable[..., Any]:
    """The page once its first network is there, from its file or from a server of files."""

    def open_it(*, served: bool = False, **how: Any) -> Any:
        address = f"{serve(made.index.parent)}/index.html" if served else made.index
        page = open_page(address, **how)
        page.wait_for_selector("body[data-ready]")
        return page

    return open_it


def answer(page: Any) -> str:
    """Once what was drawn has been looked at."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return str(page.inner_text("#answer"))


def draw(page: Any, *points: tuple[float, float]) -> None:
    """One stroke of the mouse; places from 0 to 1."""
    box = page.locator("#drawing").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("kind", ["simd", "plain"])
@pytest.mark.parametrize("name", ["digits", "clothes"])
def test_the_page_agrees_with_pythons_runtime_on_100_test_images_to_the_last_code(
    made: Made, opened, name: str, kind: str
) -> None:
    subject, page = made.subjects[name], opened()
    assert len(subject.images) == SHOWN == 100
    bits = np.array(page.evaluate(OUTPUTS, [name, kind]), np.uint32)
    expected = subject.program(subject.images)
    np.testing.assert_array_equal(bits.reshape(100, -1), expected.view(np.uint32))
    assert page.evaluate("NETWORKS.map((each) => each.layers.length)") == [
        len(each.network.watched) for each in made.subjects.values()
    ]
    shown = page.evaluate(CODES, [name, kind])
    values = subject.program.trace(subject.images)
    for k, layer in enumerate(subject.network.watched):
        codes = [np.frombuffer(base64.b64decode(image[k]), np.uint8) for image in shown]
        np.testing.assert_array_equal(
            np.stack(codes), values[layer].reshape(100, -1), err_msg=f"{name}: {layer}"
        )


def test_the_page_counts_the_images_whose_bits_are_pythons(opened) -> None:
    page = opened()
    assert "100 of 100 images" in page.inner_text("#facts")
    page.evaluate("shown.network.expected[7] += 1; showFacts(shown.network)")
    assert "99 of 100 images" in page.inner_text("#facts")


def test_a_drawn_digit_is_recognised_and_cleared(opened) -> None:
    page = opened()
    round_ = np.linspace(0, 2 * np.pi, 24)
    draw(page, *((0.5 + 0.2 * np.sin(at), 0.5 - 0.35 * np.cos(at)) for at in round_))
    assert answer(page) == "0"
    assert page.inner_text("#truth") == ""
    page.wait_for_function("document.getElementById('time').textContent.includes('ms per image')")
    page.get_by_role("button", name="Clear").click()
    assert answer(page) == "Draw something"
    draw(page, (0.5, 0.1), (0.5, 0.9))
    assert answer(page) == "1"


def test_drawing_takes_a_finger(opened) -> None:
    page = opened(width=PHONE)
    page.locator("#drawing").scroll_into_view_if_needed()
    box = page.locator("#drawing").bounding_box()
    fingers = page.context.new_cdp_session(page)
    for kind, y in (("touchStart", 0.1), ("touchMove", 0.5), ("touchMove", 0.9), ("touchEnd", 0)):
        place = {"x": box["x"] + 0.5 * box["width"], "y": box["y"] + y * box["height"]}
        points = [] if kind == "touchEnd" else [place]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert answer(page) == "1"
    assert not page.evaluate("drawing.empty")


def test_drawing_takes_the_keyboard(opened) -> None:
    page = opened()
    page.locator("#drawing").focus()
    for key, times in (("ArrowUp", 9), (" ", 1), ("ArrowDown", 18)):
        for _ in range(times):
            page.keyboard.press(key)
    assert answer(page) == "1"
    page.keyboard.press("Delete")
    assert answer(page) == "Draw something"


def test_picked_images_get_the_classes_that_python_gives(made: Made, opened) -> None:
    page = opened()
    page.get_by_label("Clothes").check()
    page.wait_for_function("shown.network.document.name === 'clothes'")
    subject = made.subjects["clothes"]
    classes = subject.program(subject.images).argmax(1)
    wrong = int(np.flatnonzero(classes != subject.labels)[0])
    for index in (3, 40, wrong):
        page.get_by_label(f"test image {index + 1}:").check()
        assert answer(page) == subject.class_names[classes[index]]
        said = page.inner_text("#truth")
        assert f"is labelled {subject.class_names[subject.labels[index]]}" in said
        right = classes[index] == subject.labels[index]
        assert ("the network is wrong" in said) == (not right)
    page.keyboard.press("ArrowRight")
    assert f"Test image {wrong + 2} " in page.inner_text("#truth")


def test_a_drawing_is_no_test_image(opened) -> None:
    page = opened()
    assert page.locator("#samples input:checked").count() == 1
    draw(page, (0.3, 0.3), (0.6, 0.6))
    answer(page)
    assert page.locator("#samples input:checked").count() == 0


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize(("theme", "name"), [("light", "digits"), ("dark", "clothes")])
def test_nobody_is_shut_out_in_either_theme_and_at_any_width(
    opened, serious_issues, dead_links, theme: str, name: str, width: int
) -> None:
    page = opened(served=True, theme=theme, width=width)  # axe-core reads style sheets again
    page.get_by_label({"digits": "Handwritten", "clothes": "Clothes"}[name]).check()
    page.wait_for_function(f"shown.network.document.name === {name!r}")
    assert serious_issues(page) == []
    assert dead_links(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")


def test_a_browser_that_cannot_run_it_is_told_so(
    made: Made, open_page, complaints, tmp_path
) -> None:
    broken = tmp_path / "page"
    shutil.copytree(made.index.parent, broken)
    (broken / "networks.js").write_text("delete WebAssembly.instantiate; const NETWORKS = [];")
    page = open_page(broken / "index.html")
    page.wait_for_selector("#problem:not([hidden])")
    assert "does not work here" in page.inner_text("#problem")
    complaints.clear()


def test_only_a_page_is_ever_replaced(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    assert "nothing else is ever replaced" in capsys.readouterr().err
    assert main([str(tmp_path / "none" / "page")]) == 1
    assert (tmp_path / "mine").is_file()


def test_without_tools_the_error_names_what_to_install(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExecutionError, match="apt-get install clang lld"):
        web_assembly({}, 1, simd=True)
