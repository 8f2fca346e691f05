"""YAML, TOML and JSON from anybody: refused in a moment, with little memory, in our words."""

import contextlib
import os
import time
import tracemalloc

import pytest

from signbin.analysis import load_table, read_shapes
from signbin.errors import FormatError, SignbinError, SpecError
from signbin.files import MOST_SETTINGS_BYTES, read_text
from signbin.report.runs import read_training
from signbin.strict_yaml import read_yaml
from signbin.train.experiment import load_experiment
from signbin.train.load import read_metrics
from signbin.train.recipe import load_recipe
from signbin.train.run import read_json


@pytest.fixture(autouse=True)
def soon():
    """A test within ten seconds of the processor; its memory is asked where it may grow."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 10


@contextlib.contextmanager
def at_most(size):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def bomb(levels=11, key="model"):
    """Ten of the level before on every level: 10^levels values in a kilobyte."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + f"\n{key}: *a{levels - 1}\n"


YAML = {
    "aliases of aliases": (bomb(), "values, its aliases written out"),
    "aliases in one value": (
        "epochs: [&a [x,x,x,x,x,x,x,x,x,x]"
        + "".join(f", &b{n} [{','.join(['*a' if not n else f'*b{n - 1}'] * 10)}]" for n in range(9))
        + "]",
        "values, its aliases written out",
    ),
    "merged mappings": (
        "a0: &a0 {k: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
        "values, its aliases written out",
    ),
    "an alias of what holds it": ("epochs: &a [*a]", "an alias inside what it stands for"),
    "depth": ("epochs: " + "[" * 65 + "]" * 65, "nested deeper than 64"),
    "much depth": ("epochs: " + "[" * 30_000, "nested deeper than 64"),
    "many values": ("seeds: [" + "0," * 9_000 + "0]", "values, its aliases written out"),
}


@pytest.mark.parametrize("name", YAML)
def test_yaml_that_grows_is_refused(tmp_path, name):
    text, match = YAML[name]
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=match):
        load_recipe(path)
    with pytest.raises(SpecError, match=match):
        load_experiment(path)


def test_a_bomb_takes_little_memory():
    with at_most(2**23), pytest.raises(SpecError):
        read_yaml(bomb(), "it")


def test_a_run_with_such_a_configuration_is_not_reported(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "config.yaml").write_text(bomb())
    with pytest.raises(FormatError):
        read_training(tmp_path)


def test_an_alias_that_is_used_as_people_do_is_read():
    assert read_yaml("a: &x {k: 1}\nb: *x\nc: {<<: *x, m: 2}", "it") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "m": 2},
    }


READERS = {
    "recipe.yaml": load_recipe,
    "experiment.yaml": load_experiment,
    "table.toml": load_table,
    "shapes.txt": read_shapes,
    "summary.json": read_json,
    "metrics.jsonl": read_metrics,
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(SignbinError, match="not a regular file"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_file_as_large_as_a_disk_is_not_read(tmp_path, name):
    with open(tmp_path / name, "wb") as sparse:
        sparse.truncate(2**40)
    with pytest.raises(SignbinError, match="at most"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", ["recipe.yaml", "experiment.yaml", "table.toml"])
def test_comments_of_30_megabytes_are_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"# " + b"x" * 30_000_000)
    with at_most(2**20), pytest.raises(SignbinError, match=f"at most {MOST_SETTINGS_BYTES}"):
        READERS[name](tmp_path / name)


def test_a_value_on_the_command_line_has_a_length():
    with pytest.raises(SpecError, match="is too long"):
        read_yaml("#" * 1_000_000, "the value")


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl", "table.toml"])
def test_brackets_without_end_are_our_error(tmp_path, name):
    text = "a = " + "[" * 100_000 if name.endswith("toml") else "[" * 100_000
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError):
        READERS[name](tmp_path / name)


def test_a_file_of_exactly_the_cap_is_read(tmp_path):
    (tmp_path / "text").write_bytes(b"x\r\n" * 4)
    assert read_text(tmp_path / "text", 12) == "x\n" * 4
    with pytest.raises(OSError, match="at most 11 bytes"):
        read_text(tmp_path / "text", 11)


def shared(levels):
    value = ["x"] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


HELD = []
HELD.append(HELD)


@pytest.mark.parametrize(
    "value",
    [
        shared(11),
        {"key": shared(11)},
        (shared(11),),
        "x" * 2_000_000,
        b"x" * 2_000_000,
        list(range(500_000)),
        dict.fromkeys(range(50_000)),
        10**100_000,
        HELD,
    ],
    ids=range(9),
)
def test_an_error_does_not_write_out_what_it_will_cut(value):
    with at_most(2**18):
        assert len(str(SpecError("it", value=value))) < 300


@pytest.mark.parametrize(
    "value",
    ["it's", b"a", [], [1, "a"], (), (1,), (1, 2), {}, {"a": [1.5, None]}, 10**30, True, {1}],
    ids=repr,
)
def test_a_short_value_is_shown_as_python_writes_it(value):
    assert str(SpecError("it", value=value)) == f"it: got {value!r}"


def test_long_values_are_cut_where_they_were():
    value = tuple(range(200))
    assert str(SpecError("it", value=value)) == f"it: got {repr(value)[:197]}..."
