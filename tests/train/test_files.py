import pickle
from pathlib import Path

import pytest
import torch

from signbin.errors import FormatError, SpecError
from signbin.train.checkpoint import read_checkpoint, write_checkpoint
from signbin.train.folder import RunFolder

STATE = {
    "seed": 3,
    "model": {"weight": torch.arange(3.0)},
    "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []},
    "sampler": {"epoch": 1, "position": 0},
    "rng": [{"cpu": torch.get_rng_state()}],
    "metrics": [{"epoch": 1, "train_loss": 0.5}],
    "average": None,
    "started": {"test_accuracy": 0.25},
    "epoch": {"codes": {"a": torch.tensor([1], dtype=torch.int8)}, "tally": {}, "seconds": 1.5},
}


def test_a_checkpoint_reads_back_equal(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, STATE)
    state = read_checkpoint(path)
    assert state["metrics"] == STATE["metrics"]
    assert state["sampler"] == STATE["sampler"]
    assert torch.equal(state["model"]["weight"], STATE["model"]["weight"])
    assert torch.equal(state["rng"][0]["cpu"], STATE["rng"][0]["cpu"])
    assert torch.equal(state["epoch"]["codes"]["a"], STATE["epoch"]["codes"]["a"])
    assert state["started"] == STATE["started"]


def test_a_damaged_checkpoint_is_refused_at_every_length(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, STATE)
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 25)):
        path.write_bytes(content[:length])
        with pytest.raises(FormatError, match=r"checkpoint\.pt"):
            read_checkpoint(path)
    with pytest.raises(FormatError, match="no checkpoint"):
        read_checkpoint(tmp_path / "none.pt")


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("save", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x))])
def test_a_checkpoint_never_runs_code(tmp_path: Path, save):
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    save({**STATE, "version": 2, "model": Malice(trace)}, path)
    with pytest.raises(FormatError):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("state", [{}, [1], {**STATE, "version": 99}, {"version": 1}])
def test_another_kind_of_checkpoint_is_refused(tmp_path: Path, state):
    path = tmp_path / "checkpoint.pt"
    torch.save(state, path)
    with pytest.raises(FormatError, match="not a checkpoint of a training run"):
        read_checkpoint(path)


def test_an_earlier_run_is_kept_without_force_and_only_its_own_files_go_with_it(
    tmp_path: Path, tiny
):
    folder = RunFolder(tmp_path / "run")
    folder.start(tiny(), force=False)
    killed = folder.seed(12).path / ".checkpoint.pt.x1y2"
    for path in (folder.summary, *folder.seed(0).files(), *folder.seed(12).files(), killed):
        path.parent.mkdir(exist_ok=True)
        path.write_text("ours")
    theirs = [folder.path / "notes.txt", folder.seed(0).path / "plot.svg"]
    for path in theirs:
        path.write_text("theirs")
    with pytest.raises(SpecError, match=r"holds an earlier run.*force"):
        folder.start(tiny(), force=False)
    assert folder.summary.read_text() == "ours"

    folder.start(tiny(epochs=9), force=True)
    left = {path for path in folder.path.rglob("*") if path.is_file()}
    assert left == {folder.config, *theirs}
    assert folder.read_config() == tiny(epochs=9)


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_that_holds_no_run_is_never_touched(tmp_path: Path, tiny, force):
    mine = tmp_path / "config.yaml"
    mine.write_text("name: something else\n")
    (tmp_path / "summary.json").write_text("mine")
    with pytest.raises(SpecError, match="holds other files"):
        RunFolder(tmp_path).start(tiny(), force=force)
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "summary.json"}
    assert mine.read_text() == "name: something else\n"


@pytest.mark.parametrize("force", [True, False])
def test_a_file_is_no_output_folder(tmp_path: Path, tiny, force):
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(SpecError, match="output folder"):
        RunFolder(path).start(tiny(), force=force)
    assert path.read_text() == "mine"


def test_an_output_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path, tiny):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SpecError, match=r"cannot be written: got .*file/run"):
        RunFolder(tmp_path / "file" / "run").start(tiny(), force=False)


def test_an_empty_folder_is_taken(tmp_path: Path, tiny):
    RunFolder(tmp_path).start(tiny(), force=False)
    assert RunFolder(tmp_path).read_config() == tiny()


def test_a_link_named_like_a_seed_folder_is_not_followed(tmp_path: Path, tiny):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "summary.json").write_text("mine")
    folder = RunFolder(tmp_path / "run")
    folder.start(tiny(), force=False)
    (folder.path / "seed-0").symlink_to(elsewhere)
    folder.start(tiny(), force=True)
    assert (elsewhere / "summary.json").read_text() == "mine"
