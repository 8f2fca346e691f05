"""A real server process, and models for it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import signbin


class Small(nn.Module):
    """Two outputs of one input."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.conv.weight.data = torch.randint(0, 2, (8, 3, 3, 3)).float() * 0.2
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        features = self.conv(x).relu().mean((2, 3))
        return {"scores": self.head(features), "features": features}


def save(path, seed=0, overwrite=False):
    preprocessing = signbin.Preprocessing(3, 8, 8, (0.5,) * 3, (0.25,) * 3)
    card = signbin.ModelCard(preprocessing)
    program = signbin.compile(Small(seed).eval(), (torch.zeros(1, 3, 8, 8),), card=card)
    program.save(path, overwrite=overwrite)
    return program


@pytest.fixture(scope="session")
def save_model():
    """(path, seed) -> the program of a model of that seed, saved there."""
    return save


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A model's file and its program."""
    path = tmp_path_factory.mktemp("served") / "small.sbn"
    return path, save(path)


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).normal(size=(5, 3, 8, 8)).astype(np.float32)


class ServerProcess:
    """``signbin serve`` with some options, until it is stopped."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "signbin", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            list(map(str, command)), stderr=subprocess.PIPE, text=True, bufsize=1
        )
        line = ""
        while "http://" not in line:
            line = self.process.stderr.readline()
            assert line, f"it ended: {self.process.wait()}"
        self.address = line.rpartition("http://")[2].strip()

    @property
    def place(self):
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    def stop(self):
        self.process.terminate()
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error


@pytest.fixture(scope="session")
def start_server():
    """Starts servers, and ends those that are left."""
    started = []

    def start(*arguments):
        started.append(ServerProcess(*arguments))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="session")
def server(start_server, saved):
    """One that most tests share: small limits."""
    path, _ = saved
    return start_server(
        f"one={path}", f"two={path}", "--max-mb", "0.1", "--timeout-s", "4", "--header-s", "1"
    )
