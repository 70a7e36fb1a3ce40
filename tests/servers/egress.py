"""A peer of Egress: records single tracks for a real LiveKit server, as the real service would.

LiveKit's requests come over Redis by psrpc, spoken by the Go program in `egress_peer/`. This
process joins the room as a hidden recorder, writes Ogg Opus, puts file and manifest into S3, and
reports each state, from which LiveKit makes its webhooks. Run as `python -m tests.servers.egress`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np
from botocore.config import Config
from google.protobuf.json_format import MessageToDict, ParseDict
from livekit import rtc
from livekit.protocol import egress as proto

from realtime.devserver import DevServer
from tests.servers.s3 import S3Server

READY = "egress peer: ready"
# A track of this name is given up before anything is recorded, as the real one does without media.
ABORTED_TRACK = "never-recorded"
_START_TIMEOUT_S = 30.0
_RATE_HZ = 48_000
# How long a track may take to show up in the room, and then to deliver its first packet.
_TRACK_WITHIN_S = 10.0
_FINAL = {
    proto.EGRESS_COMPLETE, proto.EGRESS_FAILED, proto.EGRESS_ABORTED, proto.EGRESS_LIMIT_REACHED,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EgressPeer:
    """A running peer."""

    process: subprocess.Popen[bytes]
    log_path: Path


@contextmanager
def running_egress_peer(
    binary: Path,
    *,
    redis_address: str,
    livekit: DevServer,
    s3: S3Server,
    folder: Path,
    limit_s: float = 3600.0,
) -> Iterator[EgressPeer]:
    """Run the peer for the length of the block.

    Args:
        binary: The Go program.
        redis_address: Of the Redis that LiveKit uses.
        livekit: Whose rooms it records.
        s3: Where it puts files when a request names no store of its own.
        folder: Where its log goes.
        limit_s: Longest recording, as `file_output_max_duration` of the real one.
    """
    log_path = folder / "egress-peer.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.egress", str(binary)],
            env={
                **os.environ,
                **s3.environment(),
                "REDIS_ADDRESS": redis_address,
                "LIVEKIT_URL": livekit.url,
                "LIVEKIT_API_KEY": livekit.api_key,
                "LIVEKIT_API_SECRET": livekit.api_secret,
                "PEER_BUCKET": s3.bucket,
                "PEER_LIMIT_S": str(limit_s),
            },
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while READY not in log_path.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the egress peer did not start: {log_path.read_text()[-500:]}")
            time.sleep(0.05)
        yield EgressPeer(process=process, log_path=log_path)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# What follows runs in the peer's own process.


@dataclass(kw_only=True)
class _Egress:
    """One recording that is under way."""

    info: proto.EgressInfo
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    track_kind: str = "audio"
    track_source: str = ""
    identity: str = ""


class _Peer:
    """Answers LiveKit, through the Go program, and records."""

    def __init__(self, bridge: asyncio.subprocess.Process) -> None:
        self._bridge = bridge
        self._running: dict[str, _Egress] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer until the Go program ends."""
        assert self._bridge.stdout is not None
        async for text in self._bridge.stdout:
            said = json.loads(text)
            match said["type"]:
                case "ready":
                    sys.stdout.write(f"{READY}\n")
                    sys.stdout.flush()
                case "start":
                    self._start(said)
                case "stop":
                    running = self._running.get(said["egress_id"])
                    if running is None:
                        self._say(type="reply", id=said["id"], error="no such egress")
                        continue
                    running.stopping.set()
                    running.info.status = proto.EGRESS_ENDING
                    self._say(type="reply", id=said["id"], info=_json(running.info))

    def _start(self, said: Mapping[str, Any]) -> None:
        request = said["request"]
        if "track" not in request or "file" not in request["track"]:
            self._say(type="reply", id=said["id"], error="only single tracks into files")
            return
        track = ParseDict(request["track"], proto.TrackEgressRequest())
        info = proto.EgressInfo(
            egress_id=request["egressId"],
            room_id=request["roomId"],
            room_name=track.room_name,
            source_type=proto.EGRESS_SOURCE_TYPE_SDK,
            status=proto.EGRESS_STARTING,
            updated_at=time.time_ns(),
            track=track,
        )
        shown = proto.EgressInfo()
        shown.CopyFrom(info)
        if shown.track.file.HasField("s3"):  # the real one redacts what it reports
            shown.track.file.s3.access_key = "{access_key}"
            shown.track.file.s3.secret = "{secret}"
        egress = self._running[info.egress_id] = _Egress(info=shown)
        self._say(type="reply", id=said["id"], info=_json(shown))
        task = asyncio.create_task(self._record(egress, track, said["token"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, egress: _Egress, request: proto.TrackEgressRequest, token: str) -> None:
        info = egress.info
        room = rtc.Room()
        try:
            with tempfile.TemporaryDirectory(prefix="earmark-egress-") as folder:
                path = Path(folder) / "track.ogg"
                await room.connect(
                    os.environ["LIVEKIT_URL"], token, rtc.RoomOptions(auto_subscribe=False)
                )
                await _Capture(egress, room, request.track_id, path, self._report).run()
                if info.status == proto.EGRESS_ABORTED:
                    return
                await asyncio.to_thread(_put_away, egress, request, path)
        except Exception as exc:
            info.status = proto.EGRESS_FAILED
            info.error = type(exc).__name__
            info.error_code = 500
            sys.stdout.write(f"egress peer: {type(exc).__name__}: {exc}\n")
            sys.stdout.flush()
        finally:
            info.ended_at = time.time_ns()
            self._report(egress)
            self._running.pop(info.egress_id, None)
            await room.disconnect()

    def _report(self, egress: _Egress) -> None:
        egress.info.updated_at = time.time_ns()
        self._say(type="update", info=_json(egress.info))

    def _say(self, **line: object) -> None:
        assert self._bridge.stdin is not None
        self._bridge.stdin.write(json.dumps(line).encode() + b"\n")


class _Capture:
    """Writes one track to a file until it ends."""

    def __init__(
        self, egress: _Egress, room: rtc.Room, track_id: str, path: Path, report: Any
    ) -> None:
        self._egress = egress
        self._room = room
        self._track_id = track_id
        self._path = path
        self._report = report
        self._gone = asyncio.Event()
        self._track: asyncio.Future[rtc.Track] = asyncio.get_running_loop().create_future()
        self._subscribed: set[str] = set()
        room.on("track_published", lambda publication, who: self._want(publication, who))
        room.on("track_subscribed", self._on_subscribed)
        room.on("track_unpublished", lambda publication, who: self._end(publication))
        room.on("track_unsubscribed", lambda track, publication, who: self._end(publication))
        room.on("disconnected", lambda *_: self._gone.set())

    async def run(self) -> None:
        """Record; what came of it stands in the egress's info."""
        info = self._egress.info
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._want(publication, participant)
        ended = [
            asyncio.ensure_future(event.wait()) for event in (self._gone, self._egress.stopping)
        ]
        first: asyncio.Future[Any] = asyncio.ensure_future(self._track)
        try:
            await asyncio.wait(
                {first, *ended}, timeout=_TRACK_WITHIN_S, return_when="FIRST_COMPLETED"
            )
            if not first.done():
                self._abort("Source closed" if self._gone.is_set() else "Track not found")
                return
            stream = rtc.AudioStream.from_track(
                track=first.result(), sample_rate=_RATE_HZ, num_channels=1
            )
            await self._write(stream, ended)
            await stream.aclose()
        finally:
            for waiting in ended:
                waiting.cancel()
        if not info.file_results:
            self._abort("Source closed")

    async def _write(self, stream: rtc.AudioStream, ended: list[asyncio.Future[Any]]) -> None:
        info = self._egress.info
        container: Any = None
        out: Any = None
        n_samples = 0
        frames = aiter(stream)
        limit_s = float(os.environ["PEER_LIMIT_S"])
        while True:
            frame = asyncio.ensure_future(anext(frames))
            await asyncio.wait({frame, *ended}, return_when="FIRST_COMPLETED")
            if not frame.done():
                frame.cancel()
                break
            if frame.exception() is not None:
                break
            pcm = np.frombuffer(frame.result().frame.data, dtype=np.int16)
            if container is None:
                container = av.open(str(self._path), "w", format="ogg")
                out = container.add_stream("libopus", rate=_RATE_HZ)
                out.layout = "mono"
                now_ns = time.time_ns() - len(pcm) * 1_000_000_000 // _RATE_HZ
                info.status = proto.EGRESS_ACTIVE
                info.started_at = info.started_at or now_ns
                info.file_results.add(started_at=now_ns)
                self._report(self._egress)
            av_frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
            av_frame.sample_rate = _RATE_HZ
            av_frame.pts = n_samples
            container.mux(out.encode(av_frame))
            n_samples += len(pcm)
            if n_samples / _RATE_HZ >= limit_s:
                info.status = proto.EGRESS_LIMIT_REACHED
                break
        if container is None:
            return
        container.mux(out.encode(None))
        container.close()
        file = info.file_results[0]
        file.ended_at = time.time_ns()
        file.duration = n_samples * 1_000_000_000 // _RATE_HZ

    def _want(self, publication: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
        if publication.sid == self._track_id and self._track_id not in self._subscribed:
            self._subscribed.add(self._track_id)
            if publication.name == ABORTED_TRACK:
                self._gone.set()
                return
            self._egress.identity = who.identity
            self._egress.track_source = (
                rtc.TrackSource.Name(publication.source).removeprefix("SOURCE_").lower()
            )
            publication.set_subscribed(True)

    def _on_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, who: object
    ) -> None:
        if publication.sid == self._track_id and not self._track.done():
            self._track.set_result(track)

    def _end(self, publication: rtc.RemoteTrackPublication) -> None:
        if publication.sid == self._track_id:
            self._gone.set()

    def _abort(self, why: str) -> None:
        self._egress.info.status = proto.EGRESS_ABORTED
        self._egress.info.error = why
        self._egress.info.error_code = 412


def _put_away(egress: _Egress, request: proto.TrackEgressRequest, path: Path) -> None:
    """Upload the file and, unless that was declined, the manifest beside it."""
    info, wanted = egress.info, request.file
    now = time.gmtime()
    names = {
        "room_id": info.room_id,
        "room_name": info.room_name,
        "track_id": request.track_id,
        "track_type": "audio",
        "track_source": egress.track_source,
        "publisher_identity": egress.identity,
        "time": time.strftime("%Y-%m-%dT%H%M%S", now),
        "utc": time.strftime("%Y%m%d%H%M%S000", now),
    }
    key = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), wanted.filepath)
    if not key.endswith(".ogg"):
        key += ".ogg"
    client, bucket = _store(wanted)
    client.upload_file(str(path), bucket, key)
    info.status = (
        info.status if info.status == proto.EGRESS_LIMIT_REACHED else proto.EGRESS_COMPLETE
    )
    file = info.file_results[0]
    file.filename = key
    file.size = path.stat().st_size
    file.location = f"{os.environ['EARMARK_S3_ENDPOINT_URL']}/{bucket}/{key}"
    if wanted.disable_manifest:
        return
    manifest_key = f"{key.rpartition('/')[0]}/{info.egress_id}.json"
    manifest = {
        "egress_id": info.egress_id,
        "room_id": info.room_id,
        "room_name": info.room_name,
        "started_at": info.started_at - 250_000_000,  # of the egress, which begins before its file
        "ended_at": time.time_ns(),
        "publisher_identity": egress.identity,
        "track_id": request.track_id,
        "track_kind": "audio",
        "track_source": egress.track_source,
        "files": [{"filename": key, "location": file.location}],
    }
    client.put_object(Bucket=bucket, Key=manifest_key, Body=json.dumps(manifest).encode())
    info.manifest_location = f"{os.environ['EARMARK_S3_ENDPOINT_URL']}/{bucket}/{manifest_key}"


def _store(wanted: proto.DirectFileOutput) -> tuple[Any, str]:
    """The store that a request names, else the one of the peer's own configuration."""
    account: dict[str, str] = {}
    endpoint_url, bucket = os.environ["EARMARK_S3_ENDPOINT_URL"], os.environ["PEER_BUCKET"]
    if wanted.HasField("s3"):
        s3 = wanted.s3
        account = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret}
        endpoint_url, bucket = s3.endpoint or endpoint_url, s3.bucket
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        **account,
    )
    return client, bucket


def _json(info: proto.EgressInfo) -> dict[str, Any]:
    return MessageToDict(info)


async def _main(binary: str) -> None:
    bridge = await asyncio.create_subprocess_exec(
        binary, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 20
    )
    await _Peer(bridge).serve()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
