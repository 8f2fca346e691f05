"""The addresses of a server: KServe v2, health, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from signbin.errors import FormatError, SignbinError
from signbin.serve.batching import Batcher, QueueFullError
from signbin.serve.limits import ServingLimits
from signbin.serve.metrics import ServerMetrics
from signbin.serve.models import Opened, ServedModel
from signbin.serve.protocol import (
    HEADER_LENGTH,
    InferRequest,
    decode_request,
    encode_response,
    unpack,
)
from signbin.version import VERSION

__all__ = ["make_app"]

_LOG: Final = logging.getLogger("signbin.serve")
_DRAIN_S: Final = 1.0
_NOBODY: Final = "(none)"
"""The model of requests for one that there is not: names of strangers are no labels."""


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Server:
    """Models, their queues and counts."""

    def __init__(self, models: Mapping[str, ServedModel], limits: ServingLimits) -> None:
        self.models, self.limits, self.metrics = models, limits, ServerMetrics()
        self.batchers = {name: Batcher(name, limits, self.metrics) for name in models}
        self.ready = False

    @contextlib.asynccontextmanager
    async def life(self, app: Starlette) -> AsyncIterator[None]:
        del app
        for batcher in self.batchers.values():
            batcher.start()
        watch = asyncio.get_running_loop().create_task(self._watch())
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            for batcher in self.batchers.values():
                await batcher.stop()

    async def _watch(self) -> None:
        """Look at the files now and then; what is opened anew is opened beside what answers."""
        while True:
            await asyncio.sleep(self.limits.reload_s)
            for name, model in self.models.items():
                try:
                    if await asyncio.to_thread(model.reload):
                        self.metrics.reload(name, "done")
                        _LOG.info("%s: read %s again", name, model.path)
                except (SignbinError, OSError, MemoryError) as error:
                    self.metrics.reload(name, "failed")
                    said = str(error) or "no memory"
                    _LOG.warning("%s: kept the file before: %s", name, said)

    def model(self, request: Request) -> ServedModel:
        name, version = request.path_params["model"], request.path_params.get("version", "1")
        if name not in self.models or version != "1":
            raise _RefusedError(404, f"no model {name!r} of version {version!r} is served here")
        return self.models[name]

    async def infer(self, request: Request) -> Response:
        began, name, status = time.perf_counter(), _NOBODY, 500
        try:
            model = self.model(request)
            name = model.name
            async with asyncio.timeout(self.limits.timeout_s):
                body = await self._body(request)
                asked, opened = self._asked(request, body), model.opened
                rows = _bad(400, opened.check, asked.inputs)
                outputs = await self._outputs(name, opened, asked, rows)
            response = self._answer(model, opened, asked, outputs)
            status = response.status_code
            return response
        except TimeoutError:
            status = 504
            raise _RefusedError(status, "it took longer than the server's limit") from None
        except _RefusedError as error:
            status = error.status
            raise
        finally:
            self.metrics.request(name, status, time.perf_counter() - began)

    async def _body(self, request: Request) -> bytes:
        """408 where its bytes do not come, 413 where they are too many."""
        most = self.limits.body_bytes
        length = request.headers.get("content-length", "0")
        parts, size = [], int(length) if length.isdigit() else most + 1
        try:
            async with asyncio.timeout(self.limits.timeout_s / 2):
                if size <= most:
                    size = 0
                    async for part in request.stream():
                        size += len(part)
                        if size > most:
                            break
                        parts.append(part)
        except TimeoutError:
            raise _RefusedError(408, "the body of the request did not come in time") from None
        if size > most:
            await _drain(request)
            raise _RefusedError(413, f"a request has at most {most} bytes")
        return b"".join(parts)

    def _asked(self, request: Request, body: bytes) -> InferRequest:
        encoding = request.headers.get("content-encoding", "").strip().lower()
        plain = _bad(400, unpack, body, encoding, self.limits.body_bytes)
        asked: InferRequest = _bad(400, decode_request, plain, request.headers.get(HEADER_LENGTH))
        return asked

    async def _outputs(
        self, name: str, opened: Opened, asked: InferRequest, rows: int
    ) -> list[Any]:
        known = [tensor.name for tensor in opened.outputs]
        unknown = sorted(set(asked.outputs or ()) - set(known))
        if unknown:
            raise _RefusedError(400, f"no output {unknown[0]!r}; there are {', '.join(known)}")
        try:
            return await self.batchers[name].ask(opened, asked.inputs, rows)
        except QueueFullError:
            raise _RefusedError(503, "too many requests wait for this model") from None
        except SignbinError as error:
            raise _RefusedError(400, str(error)) from error

    def _answer(
        self, model: ServedModel, opened: Opened, asked: InferRequest, outputs: list[Any]
    ) -> Response:
        made = {tensor.name: array for tensor, array in zip(opened.outputs, outputs, strict=True)}
        wanted = asked.outputs or dict.fromkeys(made, asked.binary)
        chosen = [(each, made[each], binary) for each, binary in wanted.items()]
        head = {"model_name": model.name, "model_version": "1"}
        head |= {} if asked.id is None else {"id": asked.id}
        body, length = _bad(400, encode_response, head, chosen)
        if length is None:
            return Response(body, media_type="application/json")
        headers = {HEADER_LENGTH: str(length)}
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def live(self, request: Request) -> Response:
        del request
        return Response()

    async def is_ready(self, request: Request) -> Response:
        if "model" in request.path_params:
            self.model(request)
        return Response(status_code=200 if self.ready else 503)

    async def server(self, request: Request) -> Response:
        del request
        extensions = ["binary_tensor_data", "model_repository"]
        return JSONResponse({"name": "signbin", "version": VERSION, "extensions": extensions})

    async def metadata(self, request: Request) -> Response:
        return JSONResponse(self.model(request).metadata())

    async def config(self, request: Request) -> Response:
        model = self.model(request)
        opened = model.opened
        sides = {
            side: [
                {"name": t.name, "data_type": f"TYPE_{t.datatype}", "dims": list(t.shape)}
                for t in tensors
            ]
            for side, tensors in (("input", opened.inputs), ("output", opened.outputs))
        }
        batching = {"max_queue_delay_microseconds": int(1000 * self.limits.delay_ms)}
        return JSONResponse(
            {
                "name": model.name,
                "platform": "signbin",
                "max_batch_size": self.limits.batch,
                **sides,
                "dynamic_batching": batching,
            }
        )

    async def index(self, request: Request) -> Response:
        del request
        return JSONResponse(
            [{"name": name, "version": "1", "state": "READY"} for name in sorted(self.models)]
        )

    async def count(self, request: Request) -> Response:
        del request
        media = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self.metrics.text(), media_type=media)


def _bad(status: int, call: Any, *arguments: Any) -> Any:
    """What is wrong with a request is its client's to mend."""
    try:
        return call(*arguments)
    except FormatError as error:
        raise _RefusedError(status, str(error)) from error


async def _drain(request: Request) -> None:
    """Take a little of what is sent all the same: closed at once, a client sees no answer."""
    with contextlib.suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in request.stream():
                pass


async def _refuse(request: Request, error: Exception, status: int | None = None) -> Response:
    del request
    code = error.status if isinstance(error, _RefusedError) else status or 500
    headers = {"Retry-After": "1"} if code == 503 else {}
    if code in (408, 413):  # what is left of the body is not read
        headers["Connection"] = "close"
    return JSONResponse({"error": str(error)}, code, headers)


def make_app(models: Mapping[str, ServedModel], limits: ServingLimits) -> Starlette:
    """The ASGI application that serves models by name."""
    server = _Server(models, limits)
    routes = [
        Route("/v2", server.server),
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.is_ready),
        Route("/v2/repository/index", server.index, methods=["POST"]),
        Route("/metrics", server.count),
    ]
    for start in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(start, server.metadata),
            Route(f"{start}/ready", server.is_ready),
            Route(f"{start}/config", server.config),
            Route(f"{start}/infer", server.infer, methods=["POST"]),
        ]
    handlers: dict[Any, Any] = {
        _RefusedError: _refuse,
        ClientDisconnect: partial(_refuse, status=400),
    }
    return Starlette(routes=routes, lifespan=server.life, exception_handlers=handlers)
