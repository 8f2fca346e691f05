"""The page stands alone, escapes everything and says what is missing."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from signbin.report import Report, ReportedExactness, ReportOrigin, make_report
from signbin.report.html import render

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Outline(HTMLParser):
    """Checks that tags close in order and keeps the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
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


def test_the_page_needs_no_network_and_no_script(report: Report) -> None:
    page = render(report)
    found = outline(page)
    assert not found.tags & {"script", "link", "img", "iframe", "object"}
    assert not {name for name, _ in found.attributes} & {"src", "href", "srcset", "onload"}
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"url\(|@import", page)


def test_the_page_shows_the_results(report: Report) -> None:
    text = outline(render(report)).text
    for expected in (
        "digits, signed_binary weights",
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


@pytest.mark.parametrize("place", ["class", "recipe", "why", "command", "provenance", "series"])
def test_markup_in_any_file_is_shown_as_text(
    report: Report, signed_binary, model, place: str
) -> None:
    hostile = "<script>alert('&amp;')</script>"
    layer = dataclasses.replace(model.layers[1], why=hostile, name=hostile, rejected=(hostile,))
    changed = {
        "class": {"model": dataclasses.replace(model, class_names=(hostile, "b"))},
        "recipe": {"title": hostile, "kinds": _renamed(report, recipe=hostile)},
        "why": {"model": dataclasses.replace(model, layers=(layer,))},
        "command": {"commands": (hostile,)},
        "provenance": {"model": dataclasses.replace(model, provenance={hostile: hostile})},
        "series": {"trainings": (dataclasses.replace(signed_binary, weights=hostile),)},
    }[place]
    page = render(dataclasses.replace(report, **changed))
    found = outline(page)
    assert "script" not in found.tags
    assert hostile in found.text


def test_what_is_missing_is_said_and_not_invented() -> None:
    found = outline(render(make_report([], None, None, ReportOrigin("today", "1"))))
    assert found.text.count("not given: ") == 5
    assert "svg" not in found.tags


def _renamed(report: Report, **changes: str):
    return tuple(dataclasses.replace(kind, **changes) for kind in report.kinds)
