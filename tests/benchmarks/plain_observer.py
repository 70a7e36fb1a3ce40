"""A plain observer: what livekit-agents gives for a recogniser that does not stream.

Usage: python -m tests.benchmarks.plain_observer ROOM, with LIVEKIT_URL and keys, and SUPERVISOR.

`stt.StreamAdapter` behind its own Silero detector, our weights, recogniser and rules, and a data
message for each hit. One track is heard; hits of one piece of speech know nothing of the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import numpy as np
from livekit import api, rtc
from livekit.agents import inference, stt
from livekit.agents.language import LanguageCode
from livekit.agents.utils import merge_frames
from platformdirs import user_cache_path

from realtime.recognition import load_live_recogniser
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Span, utterance_from_text
from speech.audio import SAMPLE_RATE_HZ
from speech.batched_whisper import BatchedWhisper

TOPIC = "plain_alert"
READY = "plain observer is ready"


class PlainStt(stt.STT[Any]):
    """Our recogniser as a livekit-agents STT."""

    def __init__(self, engine: BatchedWhisper) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engine = engine

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        data = merge_frames(buffer).data
        samples = np.frombuffer(data, np.int16).astype(np.float32) / np.float32(32768)
        words = await asyncio.to_thread(self._engine.transcribe, samples[: 30 * SAMPLE_RATE_HZ])
        said = stt.SpeechData(language=LanguageCode("en"), text=" ".join(w.text for w in words))
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])


async def listen(room: rtc.Room, track: rtc.Track, engine: BatchedWhisper, supervisor: str) -> None:
    """Hear one track to its end."""
    rules = Engine(load_rulebook().for_live(), timeline=False)
    adapter = stt.StreamAdapter(stt=PlainStt(engine), vad=inference.VAD())
    stream = adapter.stream()

    async def judge() -> None:
        number = 0
        async for event in stream:
            if event.type is not stt.SpeechEventType.FINAL_TRANSCRIPT:
                continue
            text, number = event.alternatives[0].text, number + 1
            said = utterance_from_text(text, Span(0.0, 1.0), id=f"u{number}", speaker="a")
            for hit in rules.feed(rules.start(), said).hits:
                await room.local_participant.publish_data(
                    json.dumps({"rule": hit.rule_id}),
                    destination_identities=[supervisor],
                    topic=TOPIC,
                )

    judging = asyncio.create_task(judge())
    async for frame in rtc.AudioStream.from_track(
        track=track, sample_rate=SAMPLE_RATE_HZ, num_channels=1
    ):
        stream.push_frame(frame.frame)
    stream.end_input()
    await judging


async def main(room_name: str, supervisor: str) -> None:
    """Join hidden, hear the first track that comes, until killed."""
    engine = load_live_recogniser(user_cache_path("earmark") / "models")
    engine.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32))
    token = (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity("plain-observer")
        .with_kind("agent")
        .with_grants(
            api.VideoGrants(room_join=True, room=room_name, hidden=True, can_publish=False)
        )
        .to_jwt()
    )
    room = rtc.Room()
    listening: list[asyncio.Task[None]] = []

    def on_track(track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            listening.append(asyncio.create_task(listen(room, track, engine, supervisor)))

    room.on("track_subscribed", on_track)
    await room.connect(os.environ["LIVEKIT_URL"], token)
    print(READY, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
