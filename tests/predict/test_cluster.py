"""Two workers of a local Ray cluster: one process's predictions, whoever is killed on the way."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from signbin.predict.cluster import _connected

ROWS, PART_ROWS = 10_000, 100
HOST = "127.0.0.2"  # of the loopback device; Ray takes 127.0.0.1 for its network address


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def children_of(process):
    """Command line by number of every process below one."""
    found, parents = {}, {process}
    for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in parents:
                parents.add(int(path.name))
                found[int(path.name)] = (path / "cmdline").read_bytes().decode()
    return found


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster on the loopback device, and its process."""
    pytest.importorskip("ray", reason="needs the extra ray")
    port = free_port()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += [f"--port={port}", f"--node-ip-address={HOST}", "--num-cpus=2"]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    command += ["--object-store-memory=100000000"]
    # A token of its own, known to what is started here: one in the home folder may be made and
    # changed by other clusters meanwhile.
    told = pytest.MonkeyPatch()
    told.setenv("RAY_AUTH_MODE", "token")
    told.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            break
        time.sleep(0.2)
    time.sleep(2)  # the raylet registers
    yield f"{HOST}:{port}", process
    for number in [process.pid, *children_of(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()
    told.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npy"
    numbers = np.random.default_rng(5).normal(size=(ROWS, 3, 8, 8)).astype(np.float32)
    np.save(path, numbers)
    return path


@pytest.fixture
def start():
    """Begins a prediction, which ends with the test at the latest."""
    with contextlib.ExitStack() as begun:

        def start(*asked):
            process = begun.enter_context(started(*asked))
            begun.callback(process.kill)
            return process

        yield start


def started(model, data, out, *more):
    command = [sys.executable, "-m", "signbin", "predict", model, data, "-o", out]
    command += ["--part-rows", PART_ROWS, *more]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


def finish(process):
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error


def parts_of(out):
    return sorted(out.glob("part-*.parquet"))


def wait_for_parts(out, count, process):
    while len(parts_of(out)) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def expected(model, data, tmp_path_factory):
    """What one process makes of them."""
    out = tmp_path_factory.mktemp("alone") / "out"
    with started(model, data, out) as process:
        finish(process)
    return pa.concat_tables(map(pq.read_table, parts_of(out)))


def workers_of(head):
    """Processes of a cluster that map parts."""
    lines = children_of(head.pid).items()
    return [number for number, line in lines if "ray::" in line and "Map" in line]


def expect_the_same(out, expected):
    found = pa.concat_tables(map(pq.read_table, parts_of(out)))
    assert len(found) == ROWS
    assert found.equals(expected)


def test_two_workers_give_one_process_s_predictions_though_one_is_killed(
    start, cluster, model, data, expected, tmp_path
):
    address, head = cluster
    out = tmp_path / "out"
    process = start(model, data, out, "--ray", address, "--workers", 2)
    wait_for_parts(out, 5, process)
    workers = workers_of(head)
    while len(workers) < 2:  # the second may begin later
        assert process.poll() is None, process.stderr.read()
        workers = workers_of(head)
    os.kill(workers[0], signal.SIGKILL)
    at_the_time = len(parts_of(out))
    finish(process)
    assert at_the_time < ROWS // PART_ROWS
    expect_the_same(out, expected)


def test_a_driver_that_is_killed_and_started_again_loses_and_repeats_nothing(
    start, cluster, model, data, expected, tmp_path
):
    address, _ = cluster
    out = tmp_path / "out"
    process = start(model, data, out, "--ray", address, "--workers", 2)
    wait_for_parts(out, 5, process)
    process.kill()
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in parts_of(out)[:5]}
    assert len(parts_of(out)) < ROWS // PART_ROWS
    finish(start(model, data, out, "--ray", address, "--workers", 2))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    expect_the_same(out, expected)


def test_a_cluster_of_this_machine_is_its_own_though_another_was_lost(
    start, model, tmp_path, monkeypatch
):
    pytest.importorskip("ray", reason="needs the extra ray")
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((8, 3, 8, 8), np.float32))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as short:  # names of sockets are
        # What Ray keeps of the cluster that began last, whose head is gone.
        (Path(short) / "ray").mkdir()
        (Path(short) / "ray" / "ray_current_cluster").write_text(f"{HOST}:{free_port()}")
        monkeypatch.setenv("RAY_TMPDIR", short)
        monkeypatch.setenv("HOME", short)
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
        finish(start(model, images, tmp_path / "out", "--ray", "local", "--workers", 1))
        # With a token there, whoever connects to a cluster that began without it is refused.
        assert not (Path(short) / ".ray").exists()
    assert sum(pq.read_metadata(part).num_rows for part in parts_of(tmp_path / "out")) == 8


def test_a_cluster_that_is_not_there_is_named():
    from signbin.errors import SpecError

    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.raises(SpecError, match="ray start --head"), _connected("nobody"):
        pass
