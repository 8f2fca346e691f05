"""Does a server answer 64 clients for five minutes, and what does it cost beside the program?

    python -m benchmarks.server_load MODEL.sbn [--clients 64] [--seconds 300] [--batch 8]

``signbin serve`` in a process of its own; every client of the load sends its next request when it
has its answer. Every so often they pause, and the program is called in this process with batches of
the same size: throughput is images per second of the one over those of the other beside it. The
first answers are compared with the program's. Memory is that of the server's process. How much of a
latency is the line in front of the model, the server's own count of seconds in the queue says; what
is left without one, a single client, beside calls of the program with its one image.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import signbin
from benchmarks.options import make_parser
from benchmarks.results import record
from signbin.errors import ExecutionError
from signbin.verbs.bench import random_images

_TURN_S: Final = 20.0
_ALONE_S: Final = 4.0
_SHORT_TURNS: Final = 8
_NAME: Final = "model"


class Load:
    """Clients of one server, and what they saw."""

    def __init__(self, port: int, body: bytes, header_bytes: int) -> None:
        self._port = port
        head = f"POST /v2/models/{_NAME}/infer HTTP/1.1\r\nHost: x\r\n"
        head += f"Inference-Header-Content-Length: {header_bytes}\r\n"
        self._request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.first: bytes = b""

    async def turn(self, clients: int, seconds: float) -> float:
        """All clients at once for so long; answers per second."""
        before, began = len(self.seconds), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(began + seconds))
        return (len(self.seconds) - before) / (time.perf_counter() - began)

    async def _client(self, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
        try:
            while (began := time.perf_counter()) < until:
                writer.write(self._request)
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"\r\ncontent-length: (\d+)", head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                if b" 200 " not in head.partition(b"\r\n")[0]:
                    self.errors.append(body[:200].decode(errors="replace"))
                    continue
                self.first = self.first or body
                self.seconds.append(time.perf_counter() - began)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.errors.append(repr(error))
        finally:
            writer.close()


def measure_server(model: Path, clients: int, seconds: float, batch: int) -> dict[str, Any]:
    """Latency, throughput, errors and memory of a server under load."""
    program = signbin.load(model)
    if not isinstance(program, signbin.Program):
        raise ExecutionError("model to load a server with", allowed="one that signbin runs alone")
    images = np.ascontiguousarray(random_images(program.graph, batch), np.float32)
    one = images[:1]
    text = (
        f'{{"inputs":[{{"name":"{program.graph.inputs[0].name}","datatype":"FP32","shape":'
        f'{list(one.shape)},"parameters":{{"binary_data_size":{one.nbytes}}}}}],'
        '"parameters":{"binary_data_output":true}}'
    ).encode()
    command = [sys.executable, "-m", "signbin", "serve", f"{_NAME}={model}", "--port", "0"]
    command += ["--batch", str(batch)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = int(server.stderr.readline().rpartition(":")[2])
            load = Load(port, text + one.tobytes(), len(text))
            told = _turns(load, server.pid, program, images, (clients, seconds))
            times = np.array(load.seconds) * 1000
            told |= _in_line(port) | _one_client(load, program, one, min(_ALONE_S, seconds))
        finally:
            server.terminate()
    if load.errors:
        raise ExecutionError("answers of the server", value=load.errors[0], allowed="outputs")
    scores = np.frombuffer(load.first[-4 * program(one).size :], np.float32)
    error = float(np.abs(scores - program(one).reshape(-1)).max())
    quantiles = {f"p{p}_ms": float(np.percentile(times, p)) for p in (50, 90, 99)}
    about = {"network": program.graph.name, "clients": clients, "seconds": seconds, "batch": batch}
    return {
        **about,
        "requests": len(times),
        "errors": len(load.errors),
        "largest_difference": error,
        **quantiles,
        **told,
    }


def _turns(
    load: Load, process: int, program: signbin.Program, images: Any, how: tuple[int, float]
) -> dict[str, Any]:
    """By turns, the clients and the program; the first turn warms up."""
    clients, seconds = how
    asyncio.run(load.turn(clients, min(_TURN_S, seconds / 4)))
    warm, load.seconds[:] = _memory(process), []
    served, alone, spent = [], [], 0.0
    while spent < seconds:
        length = min(_TURN_S, max(seconds - spent, 1.0))
        served.append(asyncio.run(load.turn(clients, length)))
        spent += length
        alone.append(_alone(program, images, min(_ALONE_S, length)))
    shares = [one / other for one, other in zip(served, alone, strict=True)]
    return {
        "images_per_s": float(np.median(served)),
        "alone_images_per_s": float(np.median(alone)),
        "share": float(np.median(shares)),
        "share_low": min(shares),
        "share_high": max(shares),
        "memory_warm_bytes": warm,
        "memory_end_bytes": _memory(process),
    }


def _in_line(port: int) -> dict[str, float]:
    """Mean milliseconds in the queue, and rows that were run together, of all requests so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = dict(re.findall(r"^signbin_(\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE))
    waits, batches = float(found["queue_seconds_count"]), float(found["batch_rows_count"])
    return {
        "queue_mean_ms": 1000 * float(found["queue_seconds_sum"]) / waits,
        "batch_rows_mean": float(found["batch_rows_sum"]) / batches,
    }


def _one_client(load: Load, program: signbin.Program, one: Any, seconds: float) -> dict[str, float]:
    """Median milliseconds of a request where no other is, and of a call, by short turns."""
    load.seconds[:] = []
    calls: list[float] = []
    for _ in range(_SHORT_TURNS):
        asyncio.run(load.turn(1, seconds / _SHORT_TURNS))
        until = time.perf_counter() + seconds / _SHORT_TURNS
        while (began := time.perf_counter()) < until:
            program(one)
            calls.append(time.perf_counter() - began)
    return {
        "one_client_ms": 1000 * float(np.median(load.seconds)),
        "one_call_ms": 1000 * float(np.median(calls)),
    }


def _alone(program: signbin.Program, images: Any, seconds: float) -> float:
    began, calls = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        program(images)
        calls += 1
    return calls * len(images) / spent


def _memory(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a server, print a line, record."""
    parser = make_parser(__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL.sbn")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args(arguments)
    row = measure_server(options.model, options.clients, options.seconds, options.batch)
    row = {**row, "network": options.model.stem}
    sys.stderr.write(
        f"{row['network']}: {row['requests']} requests, {row['errors']} errors, p99 "
        f"{row['p99_ms']:.0f} ms, {row['share']:.0%} of the program's throughput\n"
    )
    sys.stdout.write(f"wrote {record('server', {'rows': [row]}, options.results)}\n")
    return 1 if row["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
