"""What the other browser tests stand on: complaints are heard, and faults are found."""

from pathlib import Path

import pytest

SOUND = (
    '<!doctype html><html lang="en"><title>page</title><link rel="icon" href="data:,">'
    '<main><h1 id="top">Page</h1>{}</main>'
)


def page_of(folder: Path, body: str) -> Path:
    path = folder / "page.html"
    path.write_text(SOUND.format(body), encoding="utf-8")
    return path


def test_a_sound_page_has_neither_complaints_nor_issues_nor_dead_links(
    open_page, serious_issues, dead_links, tmp_path: Path
) -> None:
    page = open_page(page_of(tmp_path, '<p><a href="#top">up</a> <a href="page.html">here</a>'))
    assert page.title() == "page"
    assert serious_issues(page) == []
    assert dead_links(page) == []


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        ("<script>console.error('lost')</script>", "console: lost"),
        ("<script>throw new Error('broken')</script>", "error: broken"),
        ('<img alt="" src="none.png">', "failed: "),
        ('<img alt="" src="http://192.0.2.1/none.png">', "asked the network: http://192.0.2.1"),
    ],
)
def test_what_a_page_complains_about_is_heard(
    open_page, complaints: list[str], tmp_path: Path, body: str, heard: str
) -> None:
    page = open_page(page_of(tmp_path, body))
    page.wait_for_timeout(50)
    assert any(text.startswith(heard) for text in complaints), complaints
    complaints.clear()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
        ('<p style="color:#bbb;background:#fff">faint', "color-contrast"),
        ("<button></button>", "button-name"),
    ],
)
def test_what_some_cannot_use_is_an_issue(
    open_page, serious_issues, tmp_path: Path, body: str, found: str
) -> None:
    issues = serious_issues(open_page(page_of(tmp_path, body)))
    assert any(issue.startswith(f"{found}: ") for issue in issues), issues


@pytest.mark.parametrize("link", ["none.html", "#nowhere", "page.html#nowhere"])
def test_links_that_lead_nowhere_are_dead(open_page, dead_links, tmp_path: Path, link: str) -> None:
    page = open_page(page_of(tmp_path, f'<a href="{link}">there</a>'))
    assert [found.endswith(link) for found in dead_links(page)] == [True]


def test_a_served_folder_is_reached_by_its_address(
    open_page, serve, dead_links, tmp_path: Path
) -> None:
    page_of(tmp_path, '<a href="/page.html">here</a> <a href="/none.html">nowhere</a>')
    address = serve(tmp_path)
    page = open_page(f"{address}/page.html", theme="dark", width=390)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("innerWidth") == 390
    assert dead_links(page) == [f"{address}/none.html"]
