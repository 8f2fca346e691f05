"""The page stands alone, escapes everything and says what is missing."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest

from signbin.report import (
    PatternCounts,
    Report,
    ReportedExactness,
    ReportedLatent,
    ReportOrigin,
    Series,
    Study,
    StudyPoint,
    make_report,
)
from signbin.report.curves import QUANTITIES
from signbin.report.html import render

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Outline(HTMLParser):
    """Checks that tags close in order and keeps the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def test_the_page_needs_no_network_and_runs_its_own_script_alone(report: Report) -> None:
    page = render(report)
    found = outline(page)
    assert not set(found.tags) & {"img", "iframe", "object"}
    assert not {name for name, _ in found.attributes} & {"src", "srcset", "onload", "onclick"}
    assert [value for name, value in found.attributes if name == "href"] == ["data:,"]  # no icon
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(value for _, value in found.attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"url\(|@import", page)


def test_the_page_shows_the_results(report: Report) -> None:
    text = outline(render(report)).text
    for expected in (
        "digits, signed_binary · digits, binary",
        "97.0 ± 1.0 %",
        "{0,+1} or {0,-1} per region",
        "{-1,+1}",
        "0, 1, 2",
        "4.0 kB",
        "chosen: 300 load-adds against 900 multiply-adds",
        "signbin train digits --weights signed_binary",
        "zero, one",
        "Outside",
        "1.2.3",
    ):
        assert expected in text, expected


def test_agreement_within_the_tolerance_says_so(report: Report, comparison) -> None:
    good = dataclasses.replace(comparison, max_relative_error=1e-6)
    text = outline(render(dataclasses.replace(report, comparison=good))).text
    assert "Within" in text
    assert "Outside" not in text


def test_the_page_says_how_many_codes_differ_from_the_interpreter(report, comparison) -> None:
    exact = dataclasses.replace(comparison, exactness=ReportedExactness(12_345, 0))
    text = outline(render(dataclasses.replace(report, comparison=exact))).text
    assert "0 of 12,345 values of nodes on 8-bit codes" in " ".join(text.split())
    assert "nodes on 8-bit codes" not in outline(render(report)).text


@pytest.mark.parametrize(
    "place",
    ["class", "recipe", "why", "command", "provenance", "series", "latent", "study"],
)
def test_markup_in_any_file_is_shown_as_text(
    report: Report, signed_binary, model, place: str
) -> None:
    hostile = "<script>alert('&amp;')</script>"
    layer = dataclasses.replace(model.layers[1], why=hostile, name=hostile, rejected=(hostile,))
    spread = ReportedLatent(hostile, 1.0, (1,))
    hostile_run = dataclasses.replace(signed_binary, latent=(spread,), path=hostile)
    points = tuple(StudyPoint(hostile, hostile, 0.5, 1, {"additions": n}) for n in (1.0, 2.0))
    changed = {
        "class": {"models": (dataclasses.replace(model, class_names=(hostile, "b")),)},
        "recipe": {"title": hostile, "kinds": _renamed(report, recipe=hostile)},
        "why": {"models": (dataclasses.replace(model, layers=(layer,)),) * 2},
        "command": {"commands": (hostile,)},
        "provenance": {"models": (dataclasses.replace(model, provenance={hostile: hostile}),)},
        "series": {"trainings": (dataclasses.replace(signed_binary, weights=hostile),)},
        "latent": {"trainings": (hostile_run,)},
        "study": {"studies": (Study(hostile, hostile, points, (hostile,)),)},
    }[place]
    page = render(dataclasses.replace(report, **changed))
    found = outline(page)
    assert found.tags.count("script") == 1
    assert hostile in found.text


def test_what_is_missing_is_said_and_not_invented() -> None:
    found = outline(render(make_report([], [], None, ReportOrigin("today", "1"))))
    (said,) = re.findall("not given: (.*)", found.text)
    assert [part.partition(" (")[0] for part in said.split("; ")] == [
        *("a training run", "a compiled model", "a comparison")
    ]
    assert "svg" not in found.tags


def _renamed(report: Report, **changes: str):
    return tuple(dataclasses.replace(kind, **changes) for kind in report.kinds)


def test_models_side_by_side_show_what_each_has_of_the_first(report: Report, model) -> None:
    fast = dataclasses.replace(
        model,
        path="fast.sbn",
        ms=0.15,
        layers=(model.layers[0], dataclasses.replace(model.layers[1], ms=0.05)),
    )
    assert "side by side" not in outline(render(report)).text
    text = " ".join(outline(render(dataclasses.replace(report, models=(model, fast)))).text.split())
    assert "Programs side by side" in text
    assert "0.150 ms 0.50 x" in text
    assert "0.0500 ms 0.20 x" in text


def test_a_study_names_the_networks_that_no_other_one_beats(report: Report, study) -> None:
    page = render(dataclasses.replace(report, studies=(study,)))
    row = r'class="code">(\w+)</th>.*?data-label="non-zero weights">(<strong>)?[\d,]'
    rows = dict(re.findall(row, page.partition("What is width worth?")[2]))
    assert rows == {"narrow": "<strong>", "wide": "<strong>", "waste": ""}
    assert "did not finish: broken" in page


def test_a_long_training_of_many_kinds_stays_small(report: Report, signed_binary, model) -> None:
    epochs = tuple(range(300))
    series = tuple(
        Series(quantity, seed, epochs, tuple(0.5 + 0.4 * ((7 * n) % 300) / 300 for n in epochs))
        for quantity in QUANTITIES
        for seed in range(3)
    )
    bins = tuple(range(49))
    latent = tuple(ReportedLatent(f"stages.{n}.conv", 1.0, bins, bins) for n in range(20))
    run = dataclasses.replace(signed_binary, series=series, latent=latent)
    layer = dataclasses.replace(
        model.layers[1],
        patterns=PatternCounts(8, 2, tuple(7919 * n % 4096 for n in range(256))),
        rejected=("bucket (filters 8, chunk 64): predicted 1.2x slower than what was chosen",) * 9,
    )
    large = dataclasses.replace(model, layers=(layer,) * 22)
    page = render(dataclasses.replace(report, trainings=(run,) * 2, models=(large,) * 2))
    assert len(page.encode()) < 500_000
