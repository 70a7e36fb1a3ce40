"""The tracks of a room that are listened to, and what is remembered of those that were."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from livekit import rtc

from realtime.track import Listening, ObservedTrack

# Tracks of which it is remembered when they were last heard, should they be subscribed anew.
_MAX_LAST_HEARD = 2000

TrackKey = tuple[str, str]  # participant sid, track sid: an identity can come back within a tick
Hold = Callable[[Coroutine[Any, Any, None], str], None]


class ObservedTracks:
    """Begins and ends listening, a track at a time.

    Args:
        listening: What all tracks of the call share.
        series: Follows the track's sid in the names of utterances and recordings.
        hold: Runs a coroutine to its end; its second argument names the task.
    """

    def __init__(self, listening: Listening, *, series: str, hold: Hold) -> None:
        self._listening = listening
        self._series = series
        self._hold = hold
        self._tracks: dict[TrackKey, ObservedTrack] = {}
        self._n_parts: dict[str, int] = {}
        self._last_heard_s: dict[str, float] = {}

    @property
    def n_waiting(self) -> tuple[int, int]:
        """How many chunks of audio and pieces of speech wait."""
        depths = [observed.n_waiting for observed in self._tracks.values()]
        return sum(chunks for chunks, _ in depths), sum(segments for _, segments in depths)

    def begin(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        """Listen to a subscription."""
        key = (participant.sid, publication.sid)
        self.end(key)  # subscribed anew after a reconnect: the old stream is dead
        part = self._n_parts[publication.sid] = self._n_parts.get(publication.sid, 0) + 1
        self._tracks[key] = observed = ObservedTrack(
            self._listening,
            track=track,
            publication=publication,
            identity=participant.identity,
            lost_since_s=self._last_heard_s.pop(publication.sid, None),
            track_id=f"{publication.sid}{self._series}" + ("" if part == 1 else f"-{part}"),
        )
        self._hold(observed.run(), "track")

    def end(self, key: TrackKey) -> None:
        """A track has gone, if it was there."""
        observed = self._tracks.pop(key, None)
        if observed is not None:
            # Should the same track be subscribed again, what was said in between was missed.
            # A full reconnect takes everybody out of the room first, so this outlasts who left.
            self._last_heard_s[key[1]] = observed.last_frame_s
            while len(self._last_heard_s) > _MAX_LAST_HEARD:
                self._last_heard_s.pop(next(iter(self._last_heard_s)))
            observed.stop()

    def end_all(self, participant_sid: str | None = None) -> None:
        """All tracks have gone, or all of one participant."""
        for key in tuple(self._tracks):
            if participant_sid in {None, key[0]}:
                self.end(key)

    def hears(self, participant_sid: str | None, track_sid: str | None) -> bool:
        """Whether our own ear hears a track, or where none is named any track of somebody."""
        return any(
            not observed.is_deaf
            and (key[1] == track_sid if track_sid else key[0] == participant_sid)
            for key, observed in self._tracks.items()
        )

    def watch(self, now_s: float) -> None:
        """Notice tracks that deliver nothing."""
        for observed in self._tracks.values():
            observed.watch(now_s)
