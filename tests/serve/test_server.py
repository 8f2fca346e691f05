"""signbin serve: Triton's own client, the status of what is wrong, reload, a graceful end."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import prometheus_client.parser
import pytest
import tritonclient.http as triton


def client_of(server, **options):
    return triton.InferenceServerClient(server.address, **options)


def given(images, binary=True, name="x"):
    kinds = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "uint8": "UINT8"}
    tensor = triton.InferInput(name, images.shape, kinds[str(images.dtype)])
    tensor.set_data_from_numpy(images, binary_data=binary)
    return [tensor]


def wait_until(true):
    """Until it is; for a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(server, path, body=None, **headers):
    """Status and body of one request."""
    request = urllib.request.Request(f"http://{server.address}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def infer(server, document, model="one", **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, answer = ask(server, f"/v2/models/{model}/infer", body, **headers)
    return status, json.loads(answer)


def tensor(shape=(1, 3, 8, 8), **changes):
    data = [0.0] * int(np.prod(shape))
    return {"name": "x", "shape": list(shape), "datatype": "FP32", "data": data, **changes}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_triton_s_client_gets_the_program_s_outputs(server, saved, images, binary_in, binary_out):
    names = [each["name"] for each in client_of(server).get_model_metadata("one")["outputs"]]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    expected = saved[1](images)
    with client_of(server) as client:
        found = client.infer("one", given(images, binary_in), outputs=wanted, request_id="7")
        everything = client.infer("two", given(images, binary_in))
    assert found.get_response()["id"] == "7"
    for answer in (found, everything):
        made = [answer.as_numpy(name) for name in names]
        assert sorted(array.shape for array in made) == [(5, 4), (5, 8)]
        for array in made:
            key = "scores" if array.shape[1] == 4 else "features"
            np.testing.assert_allclose(array, expected[key], rtol=1e-6)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_bodies_and_other_kinds_of_numbers_are_read(server, saved, images, packing):
    pixels = np.random.default_rng(2).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    with client_of(server) as client:
        name = client.get_model_metadata("one")["outputs"][0]["name"]
        for array in (images.astype(np.float64), images.astype(np.float16), pixels):
            found = client.infer("one", given(array), request_compression_algorithm=packing)
            expected = saved[1](array).values()
            made = found.as_numpy(name)
            (same,) = (each for each in expected if each.shape == made.shape)
            np.testing.assert_allclose(made, same, rtol=1e-6)


def test_the_client_s_questions_about_server_and_models_are_answered(server):
    with client_of(server) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("one")
        assert not client.is_model_ready("none")
        assert client.get_server_metadata()["name"] == "signbin"
        about = client.get_model_metadata("two", "1")
        assert about["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 8, 8]}]
        assert client.get_model_config("one")["max_batch_size"] == 8
        found = [each["name"] for each in client.get_model_repository_index()]
        assert found == ["one", "two"]


BAD = {
    "no JSON": b"{",
    "no object": b"[]",
    "nested without end": b"[" * 50_000,
    "no inputs": {"inputs": []},
    "another name": {"inputs": [tensor(name="y")]},
    "a name twice": {"inputs": [tensor(), tensor()]},
    "another shape": {"inputs": [tensor((1, 3, 8, 9))]},
    "no rows": {"inputs": [tensor(shape=[0, 3, 8, 8], data=[])]},
    "a shape of texts": {"inputs": [{**tensor(), "shape": ["1", 3, 8, 8]}]},
    "a shape beyond memory": {"inputs": [{**tensor(), "shape": [2**30, 3, 8, 8]}]},
    "too few numbers": {"inputs": [{**tensor(), "data": [1.0]}]},
    "texts": {"inputs": [{**tensor(), "data": ["a"] * 192}]},
    "another datatype": {"inputs": [tensor(datatype="INT32", data=[0] * 192)]},
    "an unknown datatype": {"inputs": [tensor(datatype="COMPLEX")]},
    "bytes that are not there": {
        "inputs": [{**tensor(), "data": None, "parameters": {"binary_data_size": 768}}]
    },
    "an unknown output": {"inputs": [tensor()], "outputs": [{"name": "nothing"}]},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_malformed_requests_are_the_client_s_fault_and_say_why(server, body):
    status, answer = infer(server, body)
    assert status == 400
    assert len(answer["error"]) > 10


def test_headers_that_lie_are_refused(server):
    good = json.dumps({"inputs": [tensor()]}).encode()
    for length in ("0", "x", "99999999"):
        assert infer(server, good, **{"Inference-Header-Content-Length": length})[0] == 400
    assert infer(server, good, **{"Content-Encoding": "gzip"})[0] == 400
    assert infer(server, good, **{"Content-Encoding": "br"})[0] == 400
    assert (
        infer(server, good + b"more", **{"Inference-Header-Content-Length": str(len(good))})[0]
        == 400
    )
    assert infer(server, good)[0] == 200


def test_unknown_models_and_addresses_and_verbs_have_their_status(server):
    assert infer(server, {"inputs": [tensor()]}, model="none")[0] == 404
    assert ask(server, "/v2/models/one/versions/2")[0] == 404
    assert ask(server, "/nothing")[0] == 404
    assert ask(server, "/v2/models/one/infer")[0] == 405


def test_requests_beyond_the_limit_are_413_before_and_while_they_come(server):
    large = tensor((200, 3, 8, 8))
    status, answer = infer(server, {"inputs": [large]})
    assert status == 413
    assert "104857 bytes" in answer["error"]
    with socket.create_connection(server.place, timeout=20) as connection:
        connection.sendall(
            b"POST /v2/models/one/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(30):
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        assert b" 413 " in connection.recv(4096)


def test_a_packed_body_may_not_unpack_to_more(server):
    import gzip

    bomb = gzip.compress(b" " * 10_000_000)
    assert infer(server, bomb, **{"Content-Encoding": "gzip"})[0] == 400


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"POST /v2/models/one/infer HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/models/one/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["nothing", "headers without end", "a body without end"],
)
def test_clients_that_are_slow_without_end_get_408_and_hold_nobody_up(server, begin, images):
    with socket.create_connection(server.place, timeout=30) as connection:
        connection.sendall(begin)
        with client_of(server) as client:
            client.infer("one", given(images))
        assert b" 408 " in connection.recv(4096)


def test_clients_that_do_not_take_their_answers_are_let_go(start_server, tmp_path):
    """An answer larger than any buffer on the way, of which nobody reads."""
    import torch

    import signbin

    layer = torch.nn.Conv2d(1, 64, 1)
    layer.weight.data = torch.ones(64, 1, 1, 1)
    signbin.compile(layer, (torch.zeros(1, 1, 512, 512),)).save(tmp_path / "wide.sbn")
    server = start_server(tmp_path / "wide.sbn", "--timeout-s", 5)
    name = json.loads(ask(server, "/v2/models/wide")[1])["inputs"][0]["name"]
    given = np.ones((1, 1, 512, 512), np.float32)
    described = tensor(given.shape, name=name, parameters={"binary_data_size": given.nbytes})
    del described["data"]
    document = {"inputs": [described], "parameters": {"binary_data_output": True}}
    text = json.dumps(document).encode()
    head = "POST /v2/models/wide/infer HTTP/1.1\r\nHost: x\r\nContent-Length: "
    head += f"{len(text) + given.nbytes}\r\nInference-Header-Content-Length: {len(text)}\r\n\r\n"
    with socket.create_connection(server.place, timeout=60) as connection:
        connection.sendall(head.encode() + text + given.tobytes())
        answered = 'signbin_requests_total{model="wide",status="200"} 1.0'
        wait_until(lambda: answered in ask(server, "/metrics")[1].decode())
        time.sleep(8)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(2**20):
                taken += len(part)
    assert taken < 64 * given.nbytes
    assert ask(server, "/v2/health/live")[0] == 200


def test_connections_beyond_the_limit_are_503(start_server, saved):
    server = start_server(saved[0], "--connections", 2)
    with socket.create_connection(server.place), socket.create_connection(server.place):
        wait_until(lambda: ask(server, "/v2/health/live")[0] == 503)
    wait_until(lambda: ask(server, "/v2/health/live")[0] == 200)


def test_headers_without_end_are_refused(server):
    with socket.create_connection(server.place, timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 30_000)
        assert b" 400 " in connection.recv(4096)


def test_metrics_are_what_prometheus_reads(server, images):
    with client_of(server) as client:
        client.infer("one", given(images))
    ask(server, "/v2/models/secret/infer", b"{}")
    status, text = ask(server, "/metrics")
    assert status == 200
    families = {
        family.name: family
        for family in prometheus_client.parser.text_string_to_metric_families(text.decode())
    }
    requests = {
        (sample.labels["model"], sample.labels["status"]): sample.value
        for sample in families["signbin_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests["one", "200"] >= 1
    assert requests["(none)", "404"] >= 1
    assert "secret" not in text.decode()
    assert {"signbin_batch_rows", "signbin_queue_seconds", "signbin_request_seconds"} <= set(
        families
    )


def test_requests_that_come_together_are_run_together(start_server, saved, images):
    server = start_server(saved[0], "--batch", 4, "--delay-ms", 9000)
    with (
        concurrent.futures.ThreadPoolExecutor(4) as pool,
        client_of(server, concurrency=4) as client,
    ):
        started = time.monotonic()
        answers = list(
            pool.map(lambda n: client.infer("small", given(images[n : n + 1])), range(4))
        )
    assert time.monotonic() - started < 8.5  # the batch was full before its time
    name = next(iter(answers[0].get_response()["outputs"]))["name"]
    made = np.concatenate([answer.as_numpy(name) for answer in answers])
    (same,) = (v for v in saved[1](images[:4]).values() if v.shape == made.shape)
    np.testing.assert_allclose(made, same, rtol=1e-6)
    text = ask(server, "/metrics")[1].decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
    assert counted['signbin_batch_rows_count{model="small"}'] == 1
    assert counted['signbin_batch_rows_sum{model="small"}'] == 4


def test_a_full_queue_is_503_and_says_when_to_come_again(start_server, saved, images):
    server = start_server(saved[0], "--queue", 1, "--batch", 64, "--delay-ms", 3000)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        body = {"inputs": [tensor()]}
        found = list(pool.map(lambda _: infer(server, body, "small")[0], range(4)))
    assert sorted(found) == [200, 503, 503, 503]


def test_a_request_that_waits_too_long_is_504(start_server, saved):
    server = start_server(saved[0], "--batch", 64, "--delay-ms", 3000, "--timeout-s", 0.5)
    assert infer(server, {"inputs": [tensor()]}, "small")[0] == 504


def test_a_replaced_file_answers_soon_and_no_request_is_lost(
    start_server, save_model, tmp_path, images
):
    path = tmp_path / "model.sbn"
    before = save_model(path, 1)
    server = start_server(path, "--reload-s", 0.05)
    seen, errors, ended = [], [], threading.Event()

    def load():
        with client_of(server) as client:
            while not ended.is_set():
                try:
                    answer = client.infer("model", given(images[:1]))
                    seen.append(answer.as_numpy(answer.get_response()["outputs"][0]["name"]))
                except Exception as error:  # every one is a failure of the test
                    errors.append(error)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: seen)
    half = tmp_path / "half"
    half.write_bytes(b"half a file")
    half.replace(path)
    failed = 'signbin_reloads_total{model="model",outcome="failed"} 1.0'
    wait_until(lambda: failed in ask(server, "/metrics")[1].decode())
    after = save_model(path, 2, overwrite=True)

    def same(program, array):
        return any(
            array.shape == each.shape and np.allclose(array, each, rtol=1e-6)
            for each in program(images[:1]).values()
        )

    wait_until(lambda: same(after, seen[-1]) or errors)
    ended.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert same(before, seen[0])
    assert same(after, seen[-1])
    assert all(same(before, each) or same(after, each) for each in seen)
    text = ask(server, "/metrics")[1].decode()
    assert failed in text
    assert 'signbin_reloads_total{model="model",outcome="done"} 1.0' in text


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_after_the_requests_at_work_are_answered(start_server, saved, word):
    server = start_server(saved[0], "--batch", 64, "--delay-ms", 1000)
    found = []
    body = {"inputs": [tensor()]}
    thread = threading.Thread(target=lambda: found.append(infer(server, body, "small")[0]))
    thread.start()
    time.sleep(0.4)
    os.kill(server.process.pid, word)
    thread.join()
    _, error = server.process.communicate(timeout=60)
    assert found == [200]
    assert server.process.returncode in (0, 128 + word, -word)
    assert "Traceback" not in error


def test_models_that_are_none_end_it_before_it_listens(tmp_path, capsys):
    from signbin.cli import main

    (tmp_path / "bad.sbn").write_bytes(b"nothing")
    for arguments, words in (
        ([str(tmp_path / "bad.sbn")], "bad.sbn"),
        (["a=x.sbn", "a=y.sbn"], "every one once"),
        (["a/b=x.sbn"], "letters, digits"),
        ([str(tmp_path / "bad.sbn"), "--batch", "0"], "limit batch"),
    ):
        with pytest.raises(SystemExit) as done:
            main(["serve", *arguments])
        assert done.value.code == 1
        assert words in capsys.readouterr().err
