"""Two processes under torchrun train one network, and stop and resume together."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from signbin.errors import SpecError
from signbin.train.distributed import ALONE, training_processes

SCRIPT = """
    import hashlib, json, os, sys
    from pathlib import Path
    import torch
    from torch import distributed
    from signbin.train import load_recipe, run, train
    from signbin.train.seed import SeedTraining
    from signbin.train.progress import Silent

    output, resume, stop = Path(sys.argv[1]), sys.argv[2] == "resume", int(sys.argv[3])

    class Stops(Silent):
        steps = 0

        def end_step(self):
            self.steps += 1
            if self.steps == stop:
                os._exit(7)

    run.Silent = run.console_progress = lambda *_: Stops()
    kept = {}
    finish = SeedTraining.run

    def remember(self, progress):
        finish(self, progress)
        kept["weights"] = b"".join(t.numpy().tobytes() for t in self.model.state_dict().values())

    SeedTraining.run = remember
    config = load_recipe("digits", {"epochs": 2, "seeds": [0], "model.width": 4,
                                    "data.batch_size": 128, "batch_norm_images": 256,
                                    "checkpoint_steps": 2, "average": 0.9})
    result = train(config, output, resume=resume, progress=False)
    rank = int(os.environ["RANK"])
    said = {"rank": rank, "wrote": result.wrote, "accuracy": result.mean_accuracy,
            "weights": hashlib.sha256(kept["weights"]).hexdigest()}
    (output.parent / f"{output.name}-{rank}.json").write_text(json.dumps(said))
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def torchrun(folder: Path, output: Path, resume: str = "new", stop: int = 0, code: int = 0):
    """The script in two processes; what each of them said."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(free_port())),
            *(str(script), str(output), resume, str(stop)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert (done.returncode == 0) == (code == 0), done.stderr[-3000:]
    files = [output.parent / f"{output.name}-{rank}.json" for rank in (0, 1)]
    return [json.loads(file.read_text()) for file in files if file.exists()]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no distributed")
def test_two_processes_agree_learn_and_resume_to_the_same_bits(tmp_path):
    whole = torchrun(tmp_path, tmp_path / "whole")
    assert [each["rank"] for each in whole] == [0, 1]
    assert [each["wrote"] for each in whole] == [True, False]
    assert len({each["weights"] for each in whole}) == 1, "both hold the same network"
    assert len({each["accuracy"] for each in whole}) == 1
    records = (tmp_path / "whole" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(record)["train_loss"] for record in records]
    assert losses[1] < losses[0] < 3
    assert torchrun(tmp_path, tmp_path / "parts", stop=7, code=1) == []
    parts = torchrun(tmp_path, tmp_path / "parts", "resume")
    assert parts == whole
    models = [load_file(tmp_path / n / "seed-0" / "model.safetensors") for n in ("whole", "parts")]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


def test_one_process_is_alone_and_every_exchange_is_the_identity():
    with training_processes("cpu") as (processes, device):
        assert (processes, device) == (ALONE, "cpu")
    tensor = torch.arange(3.0)
    assert ALONE.summed(tensor) is tensor
    assert ALONE.from_first({"a": 1}) == {"a": 1}
    assert ALONE.from_all(5) == [5]
    ALONE.wait()
    ALONE.share_buffers(nn.BatchNorm1d(2))
    assert ALONE.is_first


def test_a_numbered_gpu_is_refused_in_several_processes(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    with pytest.raises(SpecError, match="cpu or cuda, in several processes"):  # noqa: SIM117
        with training_processes("cuda:1"):
            pass
