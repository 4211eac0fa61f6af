"""Move bytes between the network and files without holding a blob in memory.

The event loop only passes on what arrives; the disk is written and read by threads, in large pieces.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from academy.blobs.errors import BlobError
from academy.blobs.staging import FileWriter

# One piece for the disk. Four make one block of the storage client's, so that the first is written while
# the last is on its way; larger pieces measured slower.
WRITE_BYTES = 1 << 20
READ_BYTES = 1 << 20


class Body:
    """The body of a request, which can be read once."""

    def __init__(self, request: Request) -> None:
        self._chunks = request.stream()

    async def write_to(self, writer: FileWriter) -> None:
        """Write the body, one piece while the next one arrives."""
        pending: list[bytes] = []
        size = 0
        writing: asyncio.Task[None] | None = None
        try:
            async for chunk in self._chunks:
                pending.append(chunk)
                size += len(chunk)
                if size >= WRITE_BYTES:
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(run_in_threadpool(writer.write, pending))
                    pending, size = [], 0
        finally:
            # The file must not be closed under a thread that writes to it.
            if writing is not None:
                await writing
        if size:
            await run_in_threadpool(writer.write, pending)

    async def read(self, limit: int) -> bytes:
        """Return a small body."""
        content = bytearray()
        async for chunk in self._chunks:
            content += chunk
            if len(content) > limit:
                raise BlobError("RequestBodyTooLarge", f"The body is larger than {limit:,} bytes.")
        return bytes(content)

    async def drain(self) -> None:
        """Read what is left: a client that is still sending would not see an answer otherwise."""
        async for _ in self._chunks:
            pass


class FileAnswer(StreamingResponse):
    """Answer with ``length`` bytes of an open file from ``start`` on, and close it."""

    def __init__(
        self, descriptor: int, part: tuple[int, int], status: int, headers: Mapping[str, str]
    ) -> None:
        self._descriptor = descriptor
        super().__init__(self._read(*part), status, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)

    async def _read(self, start: int, length: int) -> AsyncIterator[bytes]:
        end = start + length
        while start < end:
            wanted = min(READ_BYTES, end - start)
            data = await run_in_threadpool(os.pread, self._descriptor, wanted, start)
            if not data:
                raise OSError("A blob's file became shorter while it was sent; the connection is cut.")
            start += len(data)
            yield data
