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

# Every training is a process of its own, forked from one that has imported all it needs: a second
# training in the same processes would wait for ever, and imports take longer than two epochs.
SCRIPT = """
    import hashlib, json, os, sys
    from pathlib import Path
    import sklearn.datasets
    import torch
    import torch._dynamo
    from torch import distributed
    from signbin.train import load_recipe, run, train
    from signbin.train.seed import SeedTraining
    from signbin.train.progress import Silent

    def work(output, resume, stop):
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
            state = self.model.state_dict()
            kept["weights"] = b"".join(t.numpy().tobytes() for t in state.values())

        SeedTraining.run = remember
        config = load_recipe("digits", {"epochs": 2, "seeds": [0], "model.width": 4,
                                        "data.batch_size": 128, "batch_norm_images": 256,
                                        "checkpoint_steps": 2, "average": 0.9})
        result = train(config, output, resume=resume, progress=False)
        rank = int(os.environ["RANK"])
        said = {"rank": rank, "wrote": result.wrote, "accuracy": result.mean_accuracy,
                "weights": hashlib.sha256(kept["weights"]).hexdigest()}
        (output.parent / f"{output.name}-{rank}.json").write_text(json.dumps(said))

    for name, port, resume, stop in json.loads(sys.argv[2]):
        child = os.fork()
        if child == 0:
            # torchrun's own meeting place serves one group of processes.
            os.environ |= {"MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "False"}
            work(Path(sys.argv[1]) / name, resume, stop)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == (7 if stop else 0), (name, code)
"""


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def torchrun(folder: Path, *trainings: tuple[str, bool, int]) -> None:
    """The script in two processes: trainings (name, whether it resumes, step it dies at or 0)."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    own, *ports = free_ports(1 + len(trainings))
    jobs = [(name, port, *how) for (name, *how), port in zip(trainings, ports, strict=True)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(own)),
            *(str(script), str(folder), json.dumps(jobs)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def said(output: Path) -> list[dict]:
    """What each of the two processes said."""
    files = [output.parent / f"{output.name}-{rank}.json" for rank in (0, 1)]
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no distributed")
def test_two_processes_agree_learn_and_resume_to_the_same_bits(tmp_path):
    torchrun(tmp_path, ("whole", False, 0), ("parts", False, 7), ("parts", True, 0))
    whole = said(tmp_path / "whole")
    assert [each["rank"] for each in whole] == [0, 1]
    assert [each["wrote"] for each in whole] == [True, False]
    assert len({each["weights"] for each in whole}) == 1, "both hold the same network"
    assert len({each["accuracy"] for each in whole}) == 1
    records = (tmp_path / "whole" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(record)["train_loss"] for record in records]
    assert losses[1] < losses[0] < 3
    assert said(tmp_path / "parts") == whole
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
