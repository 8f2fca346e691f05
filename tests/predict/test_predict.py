"""signbin predict: every form of data gives the scores of a call; output once and only once."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import signbin
from signbin.cli import main
from signbin.errors import FormatError, SpecError
from signbin.predict import OutputFolder, ScoredNetwork, ScoringRequest, open_images

FORMS = ["", ".zip", ".tar", ".npy", ".npz", ".parquet", ".arrow", ".feather"]
OPEN = Path("/proc/self/fd")


def predict(*arguments):
    """The command's exit code."""
    with pytest.raises(SystemExit) as done:
        main(["predict", *map(str, arguments)])
    return done.value.code or 0


def rows_of(folder):
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("*.parquet")))


def opened():
    """The files that this process has open."""
    for path in OPEN.iterdir():
        with contextlib.suppress(OSError):  # what lists them is one of them
            yield os.readlink(path)


@pytest.fixture
def network(model):
    program = signbin.load(model)
    kept = program.artifact
    return ScoredNetwork(
        "small", "0" * 64, program.graph.inputs[0], kept.preprocessing, kept.class_names
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_gives_the_scores_of_a_call(form, model, forms, pictures, tmp_path):
    assert predict(model, forms[form], "-o", tmp_path / "out", "--part-rows", 10) == 0
    found = rows_of(tmp_path / "out")
    expected = signbin.load(model)(pictures[1])
    np.testing.assert_array_equal(np.stack(found.column("scores").to_pylist()), expected)
    assert found.column("row").to_pylist() == list(range(len(expected)))
    best = expected.argmax(1)
    assert found.column("class").to_pylist() == best.tolist()
    names = ("ant", "bee", "cat", "dog")
    assert found.column("class_name").to_pylist() == [names[k] for k in best]
    assert len(set(found.column("name").to_pylist())) == len(expected)
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 4


def test_prepared_numbers_are_scored_as_they_are(model, network, pictures, tmp_path):
    prepared = network.prepared(pictures[1], "x")
    np.save(tmp_path / "x.npy", prepared)
    flat = pa.array(prepared.reshape(len(prepared), -1).tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"numbers": flat, "other": [0] * len(flat)}), tmp_path / "x.parquet")
    expected = signbin.load(model)(prepared)
    for name, more in (("x.npy", ()), ("x.parquet", ("--column", "numbers"))):
        out = tmp_path / f"out-{name}"
        assert predict(model, tmp_path / name, "-o", out, *more) == 0
        scores = np.stack(rows_of(out).column("scores").to_pylist())
        np.testing.assert_array_equal(scores, expected)


def test_it_goes_on_where_it_stopped_and_says_what_it_did(model, forms, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10) == 0
    whole = {path.name: path.read_bytes() for path in out.glob("*.parquet")}
    kept = out / "part-000001.parquet"
    before = kept.stat().st_mtime_ns
    (out / "part-000002.parquet").unlink()
    capsys.readouterr()
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"rows": 37, "parts": 4, "errors": 0}
    assert "wrote" in said.err
    assert kept.stat().st_mtime_ns == before
    assert {path.name: path.read_bytes() for path in out.glob("*.parquet")} == whole


def test_output_of_another_request_is_kept_unless_it_is_forced(model, forms, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10) == 0
    assert predict(model, forms[".zip"], "-o", out, "--part-rows", 10) == 1
    assert "predictions of another data, fingerprint" in capsys.readouterr().err
    assert predict(model, forms[".zip"], "-o", out, "--part-rows", 20, "--force") == 0
    assert len(rows_of(out)) == 37
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.parquet").write_bytes(b"")
    assert predict(model, forms[".zip"], "-o", other, "--force") == 1
    assert (other / "mine.parquet").exists()


def test_an_unreadable_image_stops_it_or_has_its_error_in_its_row(
    model, pictures, tmp_path, capsys
):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, path in zip("abc", sorted(pictures[0].rglob("*.png")), strict=False):
        (folder / f"{name}.png").write_bytes(path.read_bytes())
    (folder / "b.png").write_bytes(b"\x89PNG no image")
    assert predict(model, folder, "-o", tmp_path / "one") == 1
    error = capsys.readouterr().err
    assert "b.png" in error
    assert "--keep-going" in error
    assert predict(model, folder, "-o", tmp_path / "two", "--keep-going", "--json") == 0
    assert json.loads(capsys.readouterr().out)["errors"] == 1
    rows = rows_of(tmp_path / "two").to_pylist()
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert [row["scores"] is None for row in rows] == [False, True, False]
    assert rows[1]["class"] is rows[1]["class_name"] is None


def test_what_cannot_be_read_is_refused_by_name(network, forms, tmp_path):
    packed = tmp_path / "images.tar.gz"
    packed.write_bytes(b"")
    with pytest.raises(SpecError, match="unpack it"):
        open_images(packed, network)
    for suffix, words in ((".zip", "archive"), (".tar", "archive"), (".parquet", "Parquet")):
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(b"nothing of the kind")
        with pytest.raises(FormatError, match=words):
            open_images(damaged, network)
    (tmp_path / "damaged.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match="Arrow"):
        open_images(tmp_path / "damaged.arrow", network)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="has none"):
        open_images(tmp_path / "empty", network)
    with pytest.raises(FormatError, match=r"image, label"):
        open_images(forms[".parquet"], network, "pixels")
    with pytest.raises(SpecError, match="alone"):
        open_images(forms[".npy"], network, "pixels")
    with pytest.raises(FileNotFoundError):
        open_images(tmp_path / "nothing.npy", network)


def test_data_that_change_while_they_are_scored_are_noticed(model, pictures, tmp_path, network):
    from signbin.predict import PartScorer

    np.save(tmp_path / "x.npy", pictures[1])
    request = ScoringRequest(str(tmp_path / "x.npy"), "another", 37, "small", "0" * 64)
    scorer = PartScorer(signbin.load(model), network, request, tmp_path / "out")
    with pytest.raises(SpecError, match="have changed"):
        scorer.score(0)


def test_a_part_that_is_not_whole_is_noticed_at_the_end(model, forms, tmp_path):
    out = tmp_path / "out"
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10) == 0
    part = out / "part-000001.parquet"
    pq.write_table(pq.read_table(part).slice(1), part)
    request = ScoringRequest("x", "y", 37, "small", "0" * 64, part_rows=10)
    with pytest.raises(FormatError, match="rows 10 to 19"):
        OutputFolder(out).finish(request)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1"])
def test_a_part_that_is_no_parquet_file_is_named_at_the_end(model, forms, tmp_path, content):
    out = tmp_path / "out"
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10) == 0
    (out / "part-000001.parquet").write_bytes(content)
    request = ScoringRequest("x", "y", 37, "small", "0" * 64, part_rows=10)
    with pytest.raises(FormatError, match=r"part-000001\.parquet.*remove it"):
        OutputFolder(out).finish(request)


@pytest.mark.skipif(not OPEN.exists(), reason="no list of open files on this system")
def test_parts_are_closed_at_the_end(model, forms, tmp_path):
    """Not a moment later, by a thread of Arrow's."""
    out = tmp_path / "out"
    assert predict(model, forms[".npy"], "-o", out, "--part-rows", 10) == 0
    request = ScoringRequest("x", "y", 37, "small", "0" * 64, part_rows=10)
    for _ in range(100):
        OutputFolder(out).finish(request)
        assert not [path for path in opened() if path.startswith(str(out))]
