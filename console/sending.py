"""Sends an object, or a range of it, without ever holding it whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from console.byte_ranges import (
    ByteRange,
    NotSatisfiable,
    asked_range,
    etag_of,
    http_date,
    is_current,
)
from storage.objects import ObjectInfo, ObjectStore, Pieces


def range_of(headers: Mapping[str, str], info: ObjectInfo) -> ByteRange | None:
    """What a request asks for of an object; None = all of it.

    Raises:
        NotSatisfiable: nothing that is there.
    """
    found = asked_range(headers.get("range"), info.size_bytes)
    if found is None or not is_current(
        headers.get("if-range"), etag_of(info.revision), info.modified_at
    ):
        return None
    return found


def send(
    objects: ObjectStore,
    info: ObjectInfo,
    wanted: ByteRange | None,
    *,
    content_type: str,
    file_name: str | None = None,
) -> Response:
    """The response with the bytes.

    Args:
        objects: The store.
        info: From `head`.
        wanted: From `range_of`.
        content_type: What it is.
        file_name: To be saved under; None = to be played.

    Raises:
        ObjectMissingError, ObjectChangedError: it is not what `info` told any more.
        StorageUnavailableError: the store cannot be reached.
    """
    headers = {
        "accept-ranges": "bytes",
        "etag": etag_of(info.revision),
        "last-modified": http_date(info.modified_at),
        "cache-control": "no-store",
    }
    if file_name is not None:
        headers["content-disposition"] = f'attachment; filename="{file_name}"'
    if info.size_bytes == 0:
        return Response(b"", headers=headers, media_type=content_type)
    taken = wanted or ByteRange(start_bytes=0, end_bytes=info.size_bytes)
    pieces = objects.read_range(info, taken.start_bytes, taken.end_bytes)
    headers["content-length"] = str(taken.n_bytes)
    if wanted is not None:
        headers["content-range"] = (
            f"bytes {wanted.start_bytes}-{wanted.end_bytes - 1}/{info.size_bytes}"
        )
    return _Streamed(
        pieces, status_code=200 if wanted is None else 206, headers=headers, media_type=content_type
    )


class _Streamed(StreamingResponse):
    """Lets go of the object when the last byte has left, or when the browser went away."""

    def __init__(self, pieces: Pieces, **how: Any) -> None:
        super().__init__(pieces, **how)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Close what it would be sent from."""
        self._pieces.close()


def let_go(response: Response) -> None:
    """Close what a response would be sent from, where it is not sent after all."""
    if isinstance(response, _Streamed):
        response.let_go()


def refuse_range(info: ObjectInfo) -> Response:
    """416: no such bytes, or several ranges at once."""
    return Response(
        status_code=416,
        headers={"content-range": f"bytes */{info.size_bytes}", "accept-ranges": "bytes"},
    )


__all__ = ["NotSatisfiable", "let_go", "range_of", "refuse_range", "send"]
