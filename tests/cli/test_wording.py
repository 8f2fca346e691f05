"""What a person reads: legends under tables, causes in words, names that can be listed."""

from pathlib import Path

import pytest

from signbin.report.legends import RACE


def words(text: str) -> str:
    return " ".join(text.split())


def test_tables_say_below_them_what_their_short_words_mean(signbin, compiled: Path) -> None:
    profiled = words(signbin("profile", compiled, "--repeats", 1).out)
    assert "GMAC/s: dense multiply-accumulates per time" in profiled
    assert "share: of the sum of all" in profiled
    analysed = words(signbin("analyze", compiled).out)
    assert "p0: share of the inputs that none of these filters reads" in analysed
    assert "patterns of 8: different columns" in analysed
    assert "recur: inputs per pattern" in analysed
    assert "relative: " in words(signbin("energy", compiled).out)
    assert "theirs / ours: " in RACE


@pytest.mark.parametrize("verb", ["compile", "run", "compare", "profile", "energy", "pack"])
def test_a_file_that_is_not_there_is_said_in_words(signbin, verb: str, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.sbn"
    more = {"compare": (missing,), "run": (missing,)}.get(verb, ())
    output = ("-o", tmp_path / "made") if verb in {"compile", "pack"} else ()
    result = signbin(verb, missing, *more, *output)
    assert result.code != 0
    assert "Errno" not in result.err
    assert "nothing.sbn" in result.err


@pytest.mark.parametrize(("verb", "name"), [("experiments", "low-density"), ("recipes", "digits")])
def test_what_can_be_named_can_be_listed(signbin, verb: str, name: str) -> None:
    listed = signbin(verb)
    assert listed.code == 0, listed.err
    assert name in listed.out
