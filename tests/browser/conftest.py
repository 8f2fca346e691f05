"""Pages in a headless Chromium: opened, looked at, and judged by axe-core.

``make ci-tools`` brings the browser, the extra ``dev`` what drives it. A page that complains on its
console, fails to load something or asks the network for anything fails the test that opened it.
"""

import contextlib
import functools
import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag
from urllib.request import url2pathname

import pytest

PHONE = 390  # CSS pixels; the narrow one of the widths that tests open pages at
DESK = 1280
_ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1:)")
_LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1:")
_SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium. For one module: its event loop would be in the way of other tests'."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright: pip install '.[dev]'"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium: make ci-tools")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the opened pages complained about; a test that expects a complaint clears it."""
    return []


@pytest.fixture
def open_page(browser: Any, complaints: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens a file or an address; ``theme`` is ``light`` or ``dark``, ``width`` in CSS pixels.

    Returns Playwright's page. At the end, whatever a page complained about fails the test.
    """
    with contextlib.ExitStack() as stack:

        def open_it(address: Path | str, *, theme: str = "light", width: int = DESK) -> Any:
            url = address.resolve().as_uri() if isinstance(address, Path) else address
            context = browser.new_context(
                color_scheme=theme,
                viewport={"width": width, "height": 900},
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            context.route(_ELSEWHERE, lambda route: route.abort())
            page = context.new_page()
            _listen(page, complaints)
            page.goto(url)
            return page

        yield open_it
    assert not complaints, complaints


def _listen(page: Any, complaints: list[str]) -> None:
    def says(message: Any) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"console: {message.text}")

    def asks(request: Any) -> None:
        if not request.url.startswith(_LOCAL):
            complaints.append(f"asked the network: {request.url}")

    page.on("console", says)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", asks)
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves a folder on this machine; returns its address, without a slash at the end."""
    with contextlib.ExitStack() as stack:
        yield functools.partial(_serve, stack)


def _serve(stack: contextlib.ExitStack, folder: Path) -> str:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def serious_issues() -> Callable[[Any], list[str]]:
    """What axe-core finds serious or critical in a page, a sentence each."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core: pip install '.[dev]'")
    script = axe.AXE_FILE_PATH.read_text(encoding="utf-8")

    def judge(page: Any) -> list[str]:
        page.evaluate(script)
        found = page.evaluate("axe.run()")
        return [
            f"{violation['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for violation in found["violations"]
            if violation["impact"] in _SERIOUS
            for node in violation["nodes"]
        ]

    return judge


@pytest.fixture
def dead_links() -> Callable[[Any], list[str]]:
    """Links of a page to files, or to places within it, that are not there."""

    def check(page: Any) -> list[str]:
        here = urldefrag(page.url).url
        return [link for link in page.evaluate(_LINKS) if not _leads(page, here, link)]

    return check


_LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"


def _leads(page: Any, here: str, link: str) -> bool:
    url, fragment = urldefrag(link)
    if url == here:
        return not fragment or page.evaluate(
            "name => document.getElementById(decodeURIComponent(name)) !== null", fragment
        )
    if _ELSEWHERE.match(url):
        return True  # elsewhere: a test asks no network
    if url.startswith("http"):
        return bool(page.request.get(url).ok)
    return Path(url2pathname(url.removeprefix("file://"))).is_file()
