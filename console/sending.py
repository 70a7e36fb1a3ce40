"""Sends an object, or a range of it, without ever holding it whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.responses import Response, StreamingResponse

from console.byte_ranges import (
    ByteRange,
    NotSatisfiable,
    asked_range,
    etag_of,
    http_date,
    is_current,
)
from storage.objects import ObjectInfo, ObjectStore


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
    pieces: Iterator[bytes] = objects.read_range(info, taken.start_bytes, taken.end_bytes)
    headers["content-length"] = str(taken.n_bytes)
    if wanted is not None:
        headers["content-range"] = (
            f"bytes {wanted.start_bytes}-{wanted.end_bytes - 1}/{info.size_bytes}"
        )
    return StreamingResponse(
        pieces, status_code=200 if wanted is None else 206, headers=headers, media_type=content_type
    )


def refuse_range(info: ObjectInfo) -> Response:
    """416: no such bytes, or several ranges at once."""
    return Response(
        status_code=416,
        headers={"content-range": f"bytes */{info.size_bytes}", "accept-ranges": "bytes"},
    )


__all__ = ["NotSatisfiable", "range_of", "refuse_range", "send"]
