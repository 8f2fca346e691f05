"""The report as people see it: sorted, read by pointer and keyboard, in both themes, on a phone."""

import json
from pathlib import Path

import pytest

from signbin.report import (
    Model,
    PatternCounts,
    ReportedComparison,
    ReportedDifference,
    ReportedLatent,
    ReportedLayer,
    ReportedRun,
    ReportOrigin,
    Series,
    Study,
    StudyPoint,
    make_report,
    write_report,
)

LAYERS = ("stem", "stages.0.0.conv1", "stages.0.0.conv2", "classifier")
WHY = "bucket F=8: 6,673 adds against 36,864 multiply-adds per output vector; not table: linear"


def run_of(weights: str, top: float) -> ReportedRun:
    epochs = tuple(range(1, 13))
    series = tuple(
        Series(quantity, seed, epochs, tuple(top - 0.3 / (epoch + seed) for epoch in epochs))
        for quantity in ("test_accuracy", "train_loss")
        for seed in (0, 1)
    )
    latent = (ReportedLatent("stages.0.0.conv1", 0.5, (1, 4, 9, 4, 2), (0, 0, 0, 4, 2)),)
    return ReportedRun(
        path=f"runs/{weights}",
        recipe="digits",
        weights=weights,
        values="{-1,+1}",
        seeds=(0, 1),
        accuracies=(top - 0.01, top),
        density=0.4,
        layer_density={"stages.0.0.conv1": 0.4},
        parameters=70_000,
        series=series,
        config={"epochs": "12"},
        environment={"python": "3.11"},
        command=f"signbin train digits --weights {weights} -o runs/{weights}",
        latent=latent,
    )


def model_of(path: str, weights: str, speed: float) -> Model:
    layers = tuple(
        ReportedLayer(
            name=f"conv2d_{place}",
            op="conv2d",
            value_set=weights,
            density=0.2 + 0.1 * place,
            macs=100_000 * (5 - place),
            strategy="bucket",
            parameters={"filters": 8, "chunk": 64},
            why=WHY,
            rejected=("dense: predicted 3.60x slower",),
            module=module,
            ms=speed * (1 + 10 * place),
            energy_uj=2.0 + place,
            patterns=PatternCounts(4, 2, tuple(range(16))),
        )
        for place, module in enumerate(LAYERS)
    )
    return Model(
        path=path,
        size_bytes=41_700,
        weights=76_000,
        low_bit_weights=73_000,
        bits_per_weight=1.17,
        file_bits_per_weight=4.35,
        target="avx2",
        layers=layers,
        class_names=("0", "1"),
        provenance={"weights": weights, "command": f"signbin compile runs/{weights} -o {path}"},
        ms=64 * speed,
        ms_how="measured on a CPU",
        energy_uj=14.0,
        energy_how="estimated",
        accuracy=0.97,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, two models, a comparison and a study on one page."""
    points = tuple(
        StudyPoint(
            f"width-{n}", "signed_binary", 0.7 + 0.02 * n, 1, {"effectual_weights": 900.0 * n}
        )
        for n in range(1, 5)
    )
    differences = (ReportedDifference("conv1", 1e-7, 3e-7), ReportedDifference("fc", None, 2e-6))
    made = make_report(
        [run_of("signed_binary", 0.97), run_of("binary", 0.98)],
        [model_of("sb.sbn", "signed_binary", 0.01), model_of("b.sbn", "binary", 0.02)],
        ReportedComparison(360, 2e-6, 0.99, 1e-4, None, differences),
        ReportOrigin("2026-01-02 03:04 UTC", "1.2.3"),
        [Study("Width", "What is width worth?", points)],
    )
    page, _ = write_report(made, tmp_path_factory.mktemp("report") / "report.html")
    return page


def column(page, table: str, place: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr > :nth-child({place})")
    return [text.split()[0] for text in cells.all_inner_texts()]


def lines(tip) -> list[str]:
    return [line for line in tip.inner_text().splitlines() if line]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_keeps_nothing_from_anybody(
    open_page, serious_issues, dead_links, report: Path, theme: str, width: int
) -> None:
    page = open_page(report, theme=theme, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_issues(page) == []
    assert dead_links(page) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 384) is (theme == "light")


def test_a_table_sorts_by_number_up_and_down_and_says_so(open_page, report: Path) -> None:
    page = open_page(report)
    head = page.locator("table.wide").first.locator("thead th", has_text="MACs")
    assert column(page, "table.wide >> nth=0 >>", 1) == list(LAYERS)
    head.get_by_role("button").click()
    assert column(page, "table.wide >> nth=0 >>", 1) == list(reversed(LAYERS))
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert column(page, "table.wide >> nth=0 >>", 1) == list(LAYERS)
    assert head.get_attribute("aria-sort") == "descending"


def test_a_table_sorts_by_the_keyboard_and_by_text(open_page, report: Path) -> None:
    page = open_page(report)
    head = page.locator("table.wide").first.locator("thead th", has_text="layer")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(page, "table.wide >> nth=0 >>", 1) == sorted(LAYERS)


def test_a_phone_sorts_too(open_page, report: Path) -> None:
    page = open_page(report, width=390)
    button = page.locator("table.wide").first.get_by_role("button", name="energy")
    assert button.is_visible()
    button.click()
    button.click()
    assert column(page, "table.wide >> nth=0 >>", 1) == list(reversed(LAYERS))


def test_a_curve_tells_its_numbers_under_the_pointer(open_page, report: Path) -> None:
    page = open_page(report)
    chart = page.locator("svg.lines").first
    chart.hover(position={"x": 60, "y": 100})
    tip = page.locator("#tip")
    assert tip.is_visible()
    said = lines(tip)
    assert said[0] == "epoch 1"
    assert said[1:] == ["signed_binary: 74.5", "binary: 75.5"]
    page.mouse.move(1, 1)
    assert not tip.is_visible()


def test_a_curve_tells_its_numbers_by_arrow_keys(open_page, report: Path) -> None:
    page = open_page(report)
    page.locator("svg.lines").first.focus()
    tip = page.locator("#tip")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert lines(tip)[0] == "epoch 3"
    page.keyboard.press("ArrowLeft")
    assert lines(tip)[0] == "epoch 2"
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_histograms_and_maps_tell_their_counts(open_page, report: Path) -> None:
    page = open_page(report)
    tip = page.locator("#tip")
    page.locator("svg.weights").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert lines(tip) == ["0.1 to 0.3", "4 weights", "4 effectual"]
    page.locator("svg.map").first.focus()
    page.keyboard.press("ArrowDown")
    # Gray code: the second row is 10 of the upper filters, which is 1, and so pattern 4 of 16.
    assert lines(tip) == ["filters 0010", "4 inputs"]


def test_a_network_of_a_study_says_its_name(open_page, report: Path) -> None:
    page = open_page(report)
    page.locator("circle[data-tip^='width-4']").hover()
    assert page.locator("#tip").inner_text() == "width-4: 78.0 %, 3,600, on the front"


def test_only_the_first_measure_is_open_and_paper_shows_all(open_page, report: Path) -> None:
    page = open_page(report)
    opened = "[...document.querySelectorAll('details')].map(one => one.open)"
    before = page.evaluate(opened)
    assert 0 < before.count(True) < len(before)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(page.evaluate(opened))
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(opened) == before


def test_the_reasons_have_room_to_be_read(open_page, report: Path) -> None:
    page = open_page(report)
    assert page.locator("td.why").first.bounding_box()["width"] > 320


def test_the_policy_lets_no_other_script_run(open_page, report: Path, complaints) -> None:
    page = open_page(report)
    run = "const one = document.createElement('script'); one.textContent = 'window.ran = 1';"
    page.evaluate(f"{run} document.head.append(one)")
    assert page.evaluate("window.ran") is None
    assert "Content Security Policy" in complaints.pop()


def test_without_a_script_the_page_says_the_same(browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.get_by_text(WHY).first.is_visible()
    context.close()
    assert json.loads(report.with_suffix(".json").read_text("utf-8"))["schema_version"] == 2
