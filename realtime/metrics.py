"""What is counted, for Prometheus: never names, rooms or what was said, not even as labels.

Jobs are processes of their own, so they count in files of a folder that the worker gathers
(`realtime/gathering.py`). Every metric here has a label, even where one value would do: those
without make their file when they are imported, and livekit-agents empties the folder afterwards.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from realtime.alerts import Alert
from realtime.watching import RoomState, Round
from rules.types import Utterance

ROOMS = Gauge(
    "earmark_rooms_observed",
    "Rooms in which an observer listens.",
    ["source"],
    multiprocess_mode="livesum",
)
TRACKS = Gauge(
    "earmark_tracks_heard",
    "Audio tracks that are listened to.",
    ["source"],
    multiprocess_mode="livesum",
)
QUEUED = Gauge(
    "earmark_queue_depth",
    "What waits in the queues of the jobs: chunks of audio, pieces of speech, rows.",
    ["queue"],
    multiprocess_mode="livesum",
)
UTTERANCES = Counter("earmark_utterances_total", "Pieces of speech that became words.", ["state"])
HITS = Counter("earmark_hits_total", "Hits as they were raised.", ["rule", "severity", "state"])
GAPS = Counter("earmark_gaps_total", "Stretches that were not heard, as they were noted.", ["kind"])
DROPPED = Counter(
    "earmark_speech_dropped_total",
    "Pieces of speech that were given up, interim passes and final ones.",
    ["pass", "reason"],
)
RECOGNISER = Histogram(
    "earmark_recogniser_seconds",
    "Time from asking for words until they came.",
    ["pass"],
    buckets=(0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
)
SECOND_EAR = Counter(
    "earmark_second_ear_total",
    "Pieces of speech with a number that was not whole, by what the second ear made of them.",
    ["outcome"],
)
ALERT_DELAY = Histogram(
    "earmark_alert_delay_seconds",
    "Time from the end of what was said until its alert left.",
    ["severity"],
    buckets=(0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0),
)
REFUSED = Counter("earmark_jobs_refused_total", "Rooms that the worker did not take.", ["reason"])
WATCHED = Gauge(
    "earmark_watch_rooms", "Rooms of the server by how they stand.", ["state"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
UNOBSERVED = Gauge(
    "earmark_watch_rooms_unobserved",
    "Rooms that have been without an observer for too long.",
    ["state"],
    multiprocess_mode="livemostrecent",
)
DISPATCHES = Counter(
    "earmark_watch_dispatches_total", "Observers that a watcher asked for.", ["outcome"]
)

LIVEKIT = "livekit"
FINAL, INTERIM = "final", "interim"


def heard_again(outcome: str) -> None:
    """Count a piece for the second ear: "kept", "replaced", "busy" or "failed"."""
    SECOND_EAR.labels(outcome=outcome).inc()


class CountingSink:
    """Counts alerts as they leave; an alert sink."""

    async def publish(self, alert: Alert) -> None:
        """Count one alert."""
        hit = alert.hit
        HITS.labels(hit.rule_id, hit.severity.value, hit.state.value).inc()
        if hit.speaker is not None:
            delay_s = max(0.0, alert.raised_s - hit.span.end_s)
            ALERT_DELAY.labels(hit.severity.value).observe(delay_s)


async def count_utterance(utterance: Utterance) -> None:
    """A piece of speech became words, or seems to."""
    UTTERANCES.labels(FINAL if utterance.is_final else INTERIM).inc()


def recognised(elapsed_s: float, *, is_final: bool) -> None:
    """A piece of speech became words, or none."""
    RECOGNISER.labels(FINAL if is_final else INTERIM).observe(elapsed_s)


def dropped(reason: str, *, is_final: bool = True) -> None:
    """A piece of speech, or a guess at one, was given up."""
    DROPPED.labels(FINAL if is_final else INTERIM, reason).inc()


def count_round(found: Round) -> None:
    """How the rooms stand after a look of the watcher."""
    for state in RoomState:
        n_rooms = sum(room.state is state for room in found.rooms)
        WATCHED.labels(state.value).set(n_rooms)
    UNOBSERVED.labels("any").set(sum(room.is_reported for room in found.rooms))
