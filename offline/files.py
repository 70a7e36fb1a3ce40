"""One call out of audio files that nobody recorded a call with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from offline.attribute import channel_names, named
from offline.call import Call, Source
from offline.clock import FILE_CLOCK
from offline.errors import NothingToAuditError
from offline.stages.take import file_sha256
from speech.audio import decode


def find_files(
    paths: Sequence[Path], speakers: Sequence[str] = (), *, are_mixed: bool = False
) -> Call:
    """One call out of files that all begin at the same moment.

    Args:
        paths: Audio files, one a speaker, or with a channel a speaker.
        speakers: Names in the order of files and channels; none means the files' own names.
        are_mixed: Whether each channel may hold several people. One file with one channel and
            without a name for its speaker may, whatever this says.

    Raises:
        AudioError: a file is missing or is no audio.
        SpeakerNamesError: the names do not fit.
    """
    sources: list[Source] = []
    names: list[tuple[str, ...]] = []
    oldest_s = float("inf")
    for number, path in enumerate(paths, start=1):
        audio = decode(path)  # first, for its clear errors
        names.append(channel_names(path.stem, len(audio.samples)))
        stat = path.stat()
        oldest_s = min(oldest_s, stat.st_mtime)
        sources.append(
            Source(
                id=f"F{number}",
                name=path.name,
                path=path,
                sha256=file_sha256(path),
                size_bytes=stat.st_size,
                speakers=(),
                clock=FILE_CLOCK,
                duration_s=None,
                recorder="file",
            )
        )
    if not sources:
        raise NothingToAuditError("no file was given; give audio files, or --call, --date, --since")
    chosen = named(speakers, names)
    is_mix = are_mixed or (not speakers and len(chosen) == len(chosen[0]) == 1)
    sources = [
        replace(source, speakers=who, is_mix=is_mix)
        for source, who in zip(sources, chosen, strict=True)
    ]
    content = "\n".join(sorted(source.sha256 or "" for source in sources))
    return Call(
        room_sid=f"FILE_{hashlib.sha256(content.encode()).hexdigest()[:16]}",
        room_name=None,
        source="files",
        started_at=None,
        ended_s=None,
        # A file says nowhere when it was recorded; its own date is the nearest to it, and it stays
        # the same however often the audit is run.
        day=datetime.fromtimestamp(oldest_s, UTC).date(),
        sources=tuple(sources),
        members=(),
        live=None,
    )
