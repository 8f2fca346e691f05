"""The soak asks mixed programs in threads and children, and finds what is wrong, stuck or grows."""

import dataclasses
import mmap
import os
import random
import time

import pytest

from reliability import soak, specimens, steady
from reliability.soak import Round, Shared
from signbin.errors import ExecutionError


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Shared:
    return Shared(specimens.specimens(tmp_path_factory.mktemp("programs"), each=1))


@pytest.fixture(autouse=True)
def one_thread_of_others(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_the_programs_are_of_every_kind(shared):
    names = {specimen.name for specimen in shared.specimens}
    kinds = {"float32 0", "codes 0", "codes 0 plain", "codes 0 shared", "codes 0 table"}
    assert names >= kinds | {"codes 0 cse", "free sizes", "free sizes, codes", "in parts"}


@pytest.mark.parametrize(
    ("run", "small"),
    [
        (soak.churn, {"programs": 20}),
        (soak.in_threads, {"threads": 64, "seconds": 0.5}),
        (soak.soak, {"threads": 2, "seconds": 0.3}),
        (soak.fork, {"forks": 3, "threads": 2}),
    ],
    ids=["churn", "threads", "soak", "fork"],
)
def test_no_answer_is_wrong_and_nothing_stays_open(shared, run, small):
    run(shared, random.Random(1), **small)
    before = steady.held()
    done = run(shared, random.Random(0), **small)
    after = steady.held()
    assert done.wrong == []
    assert done.refused == 0
    assert done.answers > 0
    assert done.done > 0
    assert (after.files, after.threads) == (before.files, before.threads)


@pytest.mark.wide
def test_a_spawned_process_answers_what_it_is_sent(shared):
    done = soak.spawn(shared, random.Random(0))
    assert done.wrong == []
    assert done.answers > 8


def test_a_single_wrong_bit_is_found_and_the_program_is_named(shared):
    specimen = shared.specimens[0]
    case = specimen.cases[0]
    wrong = [output.copy() for output in case.outputs]
    wrong[-1].view("u1").flat[0] ^= 1
    done = Round()
    done.ask(specimen, specimen.load(), dataclasses.replace(case, outputs=tuple(wrong)))
    assert done.wrong == [f"{specimen.name}: another answer"]


def refuse() -> bool:
    raise ExecutionError("a forked process", allowed="spawn")


@pytest.mark.parametrize(
    ("work", "ended"),
    [
        (lambda: True, "right"),
        (lambda: False, "wrong"),
        (refuse, "refused"),
        (lambda: os.kill(os.getpid(), 9), "died"),
        (lambda: time.sleep(60), "stuck"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_how_a_child_ended_is_told(work, ended):
    assert soak.fork_once(work, patience=1) == ended


def lines(**held) -> list[dict]:
    line = {"run": 0, "done": 1, "seconds": 1, "answers": 1, "refused": 0, "wrong": []}
    flat = {"rss": 50_000_000, "files": 5, "threads": 1, "mappings": 100}
    return [line | flat | {name: rise(n) for name, rise in held.items()} for n in range(40)]


def test_what_grows_is_found_and_what_is_flat_is_not():
    found = soak.summary_of(lines())
    assert (found["not_flat"], found["rss_growth_bytes"], found["rss_slope_bytes"]) == ([], 0, 0)
    grown = soak.summary_of(lines(rss=lambda n: 10**6 * n))
    assert grown["not_flat"] == ["memory grew by 20000000 bytes"]
    assert grown["rss_slope_bytes"] == 10**6
    assert soak.summary_of(lines(files=lambda n: n // 20))["not_flat"] == ["files grew from 0 to 1"]
    assert soak.summary_of(lines(threads=lambda n: n))["not_flat"] == ["threads grew from 10 to 39"]


def test_programs_that_are_kept_show_as_memory_and_threads(shared):
    """A leak that is planted: nothing that was read is let go."""
    kept = []
    specimen = next(each for each in shared.specimens if each.name == "codes 0 shared")
    before = steady.held()
    for _ in range(10):
        program = specimen.load()
        assert specimen.cases[0].is_answered_by(program)
        # Mapped, as what is allocated may be memory that was let go before.
        memory = mmap.mmap(-1, 2_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.write(b"1" * 2_000_000)
        kept.append((program, memory))
    after = steady.held()
    assert after.threads == before.threads + 10
    assert after.rss > before.rss + 9_000_000
    kept.clear()
    del program
    assert steady.held().threads == before.threads


def test_a_run_that_was_stopped_goes_on_where_it_was(monkeypatch, tmp_path):
    part = soak.Part("churn", "programs", 4, lambda shared, chance: soak.churn(shared, chance, 2))
    monkeypatch.setattr(soak, "specimens", lambda folder, seed: made(folder))
    made = lambda folder: specimens.specimens(folder, each=1)[:2]  # noqa: E731
    log = tmp_path / "log.jsonl"
    soak._run(part, log, seed=0)
    assert [line["done"] for line in soak._read_log(log)] == [2, 2]
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    soak._run(part, log, seed=0)
    soak._run(part, log, seed=0)
    assert [(line["run"], line["done"]) for line in soak._read_log(log)] == [(0, 2), (1, 2)]
