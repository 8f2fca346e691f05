"""requirements.lock is made from what is asked for today, and fixes every file by its hash."""

import re
import tomllib

import pytest

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def plain(name: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", name)[0].lower().replace("_", "-").replace(".", "-")


@pytest.fixture(scope="module")
def rows(lock) -> dict[str, list[str]]:
    """Versions and hashes of every package, a text per row: some have one row per Python."""
    found: dict[str, list[str]] = {}
    text = lock.LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            found.setdefault(plain(name), []).append(rest)
    return found


@pytest.fixture(scope="module")
def project(lock) -> dict:
    return tomllib.loads((lock.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_lock_is_of_these_inputs(lock) -> None:
    stated = lock.LOCK.read_text(encoding="utf-8").splitlines()[1]
    assert stated == f"# sha256:{lock.digest()}", "pyproject.toml or constraints.txt: make lock"


def test_a_change_of_what_is_asked_for_is_another_digest(lock, monkeypatch, tmp_path) -> None:
    before = lock.digest()
    changed = tmp_path / "lock.in"
    changed.write_text(lock.INPUT.read_text(encoding="utf-8") + "six\n", encoding="utf-8")
    monkeypatch.setattr(lock, "INPUT", changed)
    assert lock.digest() != before


def test_everything_that_is_needed_is_locked_with_hashes(lock, rows, project) -> None:
    extras = project["project"]["optional-dependencies"]
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    pending = ["dev", "docs"]
    while pending:
        for requirement in extras[pending.pop()]:
            own = re.match(r"signbin\[([\w,]+)\]", requirement)
            pending += own[1].split(",") if own else []
            asked += [] if own else [requirement]
    missing = {plain(name) for name in asked} - set(rows) - set(lock.UNHASHED)
    assert not missing
    for name, texts in rows.items():
        assert all(HASH.search(text) for text in texts), name


def test_versions_are_those_of_the_constraints(lock, rows) -> None:
    pins = (lock.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in pins:
        name, _, version = line.partition("==")
        if version and plain(name) in rows:
            assert all(text.split()[0] == version for text in rows[plain(name)]), name


def test_what_has_no_hash_is_named_with_a_reason_and_not_in_the_lock(lock, rows) -> None:
    decisions = (lock.ROOT / "docs" / "decisions").glob("*hash*.md")
    text = "".join(path.read_text(encoding="utf-8") for path in decisions).lower()
    makefile = (lock.ROOT / "Makefile").read_text(encoding="utf-8")
    for name in lock.UNHASHED:
        assert name not in rows
        assert name in text
        assert f"-c constraints.txt {name}\n" in makefile


def test_no_index_is_named(lock) -> None:
    text = lock.LOCK.read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|@ ", text)


def test_it_is_installed_with_hashes_alone(lock) -> None:
    makefile = (lock.ROOT / "Makefile").read_text(encoding="utf-8")
    assert "pip install --quiet --require-hashes -r requirements.lock" in makefile
    assert "--no-build-isolation" in makefile
