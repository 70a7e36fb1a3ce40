"""What is asked of Egress: one audio track, where its file goes, and with whose account."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from livekit import api
from livekit.protocol import egress as proto
from livekit.protocol.room import RoomEgress

from storage.egresses import Egress, EgressStatus

DEFAULT_FILEPATH = "recordings/{day}/{room_id}/{track_id}.ogg"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Account:
    """An account that travels with each request, where Egress has none of its own."""

    access_key: str = field(repr=False)
    secret: str = field(repr=False)
    session_token: str | None = field(repr=False)
    region: str
    endpoint_url: str | None
    bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressOptions:
    """Where recordings go. Travels by pickle, so it holds plain data.

    Args:
        prefix: Of the object store within its bucket; "" or without a slash at its end.
        filepath: Template below the prefix; `{day}` is filled in here, the rest by Egress.
        account: None where Egress has an account of its own, which is the better way.
        is_auto: Whether rooms are made so that LiveKit itself has each track recorded.
    """

    prefix: str = ""
    filepath: str = DEFAULT_FILEPATH
    account: S3Account | None = None
    is_auto: bool = False

    def object_key(self, filename: str) -> str | None:
        """The key in the object store of a file that Egress wrote; None where it lies elsewhere."""
        if not self.prefix:
            return filename or None
        inside = filename.removeprefix(f"{self.prefix}/")
        return inside if inside not in ("", filename) else None

    def path(self, day: date, number: int = 1) -> str:
        """The path for Egress, still with Egress's own fields.

        Args:
            day: On which the call began, UTC.
            number: Of the attempt, from 1; a later one must not overwrite an earlier one's file.
        """
        stem, extension = posixpath.splitext(self.filepath.replace("{day}", day.isoformat()))
        name = f"{stem}-{number}{extension}" if number > 1 else f"{stem}{extension}"
        return f"{self.prefix}/{name}" if self.prefix else name

    def track_request(
        self, *, room_name: str, track_id: str, day: date, number: int
    ) -> api.TrackEgressRequest:
        """The request to record one track."""
        return api.TrackEgressRequest(
            room_name=room_name,
            track_id=track_id,
            file=api.DirectFileOutput(filepath=self.path(day, number), s3=self._upload()),
        )

    def room_egress(self, day: date) -> RoomEgress:
        """What a room must be created with, so that LiveKit has each of its tracks recorded."""
        return RoomEgress(tracks=api.AutoTrackEgress(filepath=self.path(day), s3=self._upload()))

    def _upload(self) -> api.S3Upload | None:
        account = self.account
        if account is None:
            return None
        return api.S3Upload(
            access_key=account.access_key,
            secret=account.secret,
            session_token=account.session_token or "",
            region=account.region,
            endpoint=account.endpoint_url or "",
            bucket=account.bucket,
            force_path_style=account.endpoint_url is not None,
        )


def track_of(info: proto.EgressInfo) -> str | None:
    """The one audio track that an egress records, None for a mix."""
    match info.WhichOneof("request"):
        case "track":
            return info.track.track_id or None
        case "track_composite":
            return info.track_composite.audio_track_id or None
        case "egress":
            routes = info.egress.media.audio.routes
            return routes[0].track_id or None if len(routes) == 1 else None
    return None


def egress_of(info: proto.EgressInfo, options: EgressOptions, *, told_at: datetime) -> Egress:
    """What LiveKit says of an egress, in our words.

    The times are those of the file, where there is one: an egress begins before its file does.

    Args:
        info: From a webhook or a listing.
        options: Where recordings go.
        told_at: UTC; stands for the time of the change where the info has none.
    """
    track_id = track_of(info)
    status = EgressStatus(proto.EgressStatus.Name(info.status).removeprefix("EGRESS_").lower())
    file = info.file_results[0] if len(info.file_results) == 1 else None
    return Egress(
        # An automatic egress that could not even be started has no id of its own.
        egress_id=info.egress_id or f"unstarted-{track_id or info.room_id}",
        room_sid=info.room_id,
        room_name=info.room_name,
        track_id=track_id,
        status=status,
        updated_at=_utc(info.updated_at or info.ended_at or info.started_at) or told_at,
        error_code=info.error_code or None,
        object_key=options.object_key(file.filename) if file is not None else None,
        started_at=_utc(file.started_at) if file is not None else None,
        ended_at=_utc(file.ended_at) if file is not None else None,
        duration_s=file.duration / 1e9 if file is not None and file.duration else None,
        size_bytes=file.size or None if file is not None else None,
    )


def _utc(nanoseconds: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds > 0 else None
