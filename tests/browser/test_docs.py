"""What `make docs` built: everybody can read it, and search it without a network."""

from pathlib import Path

import pytest

from tests.browser.conftest import DESK, PHONE

BUILT = Path(__file__).parents[2] / "docs" / "_build"
PAGES = ("index", "start", "guides/profile", "reference/runtime")


@pytest.fixture
def built() -> Path:
    if not (BUILT / "index.html").is_file():
        pytest.skip("documentation: make docs")
    return BUILT


@pytest.mark.parametrize(("theme", "width"), [("light", DESK), ("dark", PHONE)])
def test_nobody_is_shut_out_of_the_documentation(
    built: Path, open_page, serve, serious_issues, theme: str, width: int
) -> None:
    address = serve(built)
    for name in PAGES:
        page = open_page(f"{address}/{name}.html", theme=theme, width=width)
        assert serious_issues(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_links_between_pages_lead_somewhere(built: Path, open_page, serve, dead_links) -> None:
    address = serve(built)
    for name in ("index", "guides/profile"):
        assert dead_links(open_page(f"{address}/{name}.html")) == []


def test_a_search_finds_pages_without_a_network(built: Path, open_page) -> None:
    page = open_page(built / "index.html")
    page.goto(f"{(built / 'search.html').as_uri()}?q=bucket")
    page.wait_for_selector("#search-results li")
    assert "Kernels" in page.inner_text("#search-results")
