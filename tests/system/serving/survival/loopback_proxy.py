"""A TCP proxy on loopback that does what a Kubernetes service does: new connections go to whoever is ready."""

import asyncio
import threading
from contextlib import suppress
from typing import Self

import httpx

PROBE_SECONDS = 0.1


class Proxy:
    """Carries bytes between clients and servers; `servers` may change at any time.

    A server takes new connections while its /health/ready says 200, asked every PROBE_SECONDS: like a probe, that is
    late, so a server that goes down is sent work for a while.
    """

    def __init__(self) -> None:
        self.servers: list[str] = []
        self.refused = 0
        """Connections for which no server was ready."""
        self._ready: list[str] = []
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        asyncio.run_coroutine_threadsafe(self._probe(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def ready(self) -> list[str]:
        """The servers that get new connections."""
        return list(self._ready)

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _probe(self) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                ready = []
                for url in list(self.servers):
                    with suppress(httpx.TransportError):
                        if (await client.get(f"{url}/health/ready")).status_code == 200:
                            ready.append(url)
                self._ready = ready
                await asyncio.sleep(PROBE_SECONDS)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._ready:
            self.refused += 1
            writer.close()
            return
        self._turn += 1
        port = int(self._ready[self._turn % len(self._ready)].rpartition(":")[2])
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.refused += 1
            writer.close()
            return
        await asyncio.gather(_carry(reader, to_writer), _carry(to_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes one way, to their end."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()
