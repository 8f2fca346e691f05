"""The process: connections that are not held open by nothing, and an end that loses no request."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from signbin.serve.limits import ServingLimits

__all__ = ["run_server"]

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_MOST_HEADER_BYTES: Final = 16 * 1024
_IDLE_S: Final = 30


def _protocol(limits: ServingLimits) -> type[H11Protocol]:
    """uvicorn's, with limits of time that it has none of: on headers, and on taking an answer."""
    header_s = limits.header_s

    class TimedConnection(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _untaken: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._late = self.loop.call_later(header_s, self._refuse)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._forget()
            elif self._late is None:
                self._late = self.loop.call_later(header_s, self._refuse)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._untaken = self.loop.call_later(limits.timeout_s, self.transport.abort)

        def resume_writing(self) -> None:
            self._taken()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            self._taken()
            super().connection_lost(exc)

        def _taken(self) -> None:
            if self._untaken is not None:
                self._untaken.cancel()
                self._untaken = None

        def _forget(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _refuse(self) -> None:
            self._late = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self.transport.write(_TOO_SLOW)
                self.transport.close()

    return TimedConnection


class _Announced(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._say = say

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                self._say(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def run_server(
    app: Starlette,
    limits: ServingLimits,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT; requests at work then are answered, for ``stop_s`` at most.

    port: 0 takes a free one. say: is told the address, once it listens.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_protocol(limits),
        limit_concurrency=limits.connections + 1,  # which counts the one that asks
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=int(limits.stop_s),
    )
    _Announced(config, say).run()
