"""Whether an Ogg file is whole. FFmpeg leaves out what is damaged or missing, and says nothing."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO

# RFC 3533, section 6: capture pattern, version, flags, position, serial number, page number,
# checksum, number of segments; then one length byte a segment.
_HEADER_BYTES = 27
_CHECKSUM = slice(22, 26)
_LAST_PAGE = 4
# Ogg's checksum has the polynomial of zlib's and its bits the other way round.
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_damage(path: Path) -> str | None:
    """Read all pages and check that each is there and as it was written.

    Args:
        path: An Ogg file of any codec.

    Returns:
        What is wrong first, None for a whole file. Chained and multiplexed streams are whole.

    Raises:
        OSError: the file cannot be read.
    """
    next_number: dict[bytes, int] = {}  # by serial number, of streams that go on
    with path.open("rb") as file:
        while header := file.read(_HEADER_BYTES):
            if len(header) < _HEADER_BYTES:
                return "cut off"
            if not header.startswith(b"OggS"):
                return "damaged"
            body = _body(file, header)
            if body is None:
                return "cut off"
            if _checksum(header, body) != int.from_bytes(header[_CHECKSUM], "little"):
                return "damaged"
            serial, number = header[14:18], int.from_bytes(header[18:22], "little")
            if number != next_number.get(serial, number):
                return "pages are missing"
            if header[5] & _LAST_PAGE:
                next_number.pop(serial, None)
            else:
                next_number[serial] = number + 1
    return "no end mark" if next_number else None


def _body(file: IO[bytes], header: bytes) -> bytes | None:
    """Segment lengths and segments of a page, None where the file ends before it."""
    lengths = file.read(header[26])
    segments = file.read(sum(lengths))
    whole = len(lengths) == header[26] and len(segments) == sum(lengths)
    return lengths + segments if whole else None


def _checksum(header: bytes, body: bytes) -> int:
    """The checksum that the page should carry; it counts its own field as zeros."""
    page = (header[: _CHECKSUM.start] + bytes(4) + header[_CHECKSUM.stop :] + body).translate(
        _REVERSED_BITS
    )
    # Ogg begins with 0 and turns nothing over at the end, zlib does both.
    crc = zlib.crc32(page, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
