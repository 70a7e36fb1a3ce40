"""Has each audio track of a room recorded by Egress, once, and says so where that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import TypeVar

from livekit import api, rtc
from livekit.protocol import egress as proto

from realtime.clock import CallClock
from realtime.egress_requests import EgressOptions, egress_of, track_of
from realtime.errors import LiveKitUnavailableError
from realtime.ledger import CallLedger
from storage import egress_claims
from storage.database import Connection, Database
from storage.egress_claims import LEASE_S, EgressClaim
from storage.egresses import save_egress
from storage.errors import StorageError

log = logging.getLogger(__name__)

# Pauses after requests that failed: an Egress that is starting or full is back within them.
_RETRY_DELAYS_S = (1.0, 3.0, 10.0, 20.0)
_DATABASE_DELAYS_S = (0.2, 1.0, 4.0)
# LiveKit looks for an Egress that has room, again and again, for about 20 s.
READ_TIMEOUT_S = 40.0
# How long LiveKit may take to start a recording by itself, before it is asked for one.
_AUTO_WITHIN_S = 5.0
# How often, and for how long, a claim is looked at that another observer holds.
_LOOK_AGAIN_S = 5.0
_MAX_WAIT_S = 3 * LEASE_S
# What asking again will not change.
_FINAL_CODES = frozenset({"invalid_argument", "unauthenticated", "permission_denied", "malformed"})
_OVER = frozenset({proto.EGRESS_FAILED, proto.EGRESS_ABORTED})

ApiFactory = Callable[[], AbstractAsyncContextManager[api.LiveKitAPI]]
Value = TypeVar("Value")


class EgressControl:
    """Asks Egress for one recording a track.

    Args:
        api_factory: Opens the server API.
        room: The room, not yet connected.
        room_sid: The call.
        room_name: As the server knows it.
        clock: The call clock.
        database: Where claims are kept.
        ledger: Told of what is not recorded.
        options: Where recordings go.
        own_prefix: Identities that begin so are our own.
    """

    def __init__(
        self,
        *,
        api_factory: ApiFactory,
        room: rtc.Room,
        room_sid: str,
        room_name: str,
        clock: CallClock,
        database: Database,
        ledger: CallLedger,
        options: EgressOptions,
        own_prefix: str,
    ) -> None:
        self._api = api_factory
        self._room = room
        self._room_sid = room_sid
        self._room_name = room_name
        self._clock = clock
        self._database = database
        self._ledger = ledger
        self._options = options
        self._own_prefix = own_prefix
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def attach(self) -> None:
        """Notice tracks from now on. To be called before the room is joined."""
        self._room.on("track_published", self._on_published)

    def begin(self) -> None:
        """See to the tracks that were there before. To be called once the room is joined."""
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._on_published(publication, participant)

    async def close(self) -> None:
        """Notice no more tracks, and give up requests under way: the lister finds what they did."""
        self._room.off("track_published", self._on_published)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if (
            publication.kind != rtc.TrackKind.KIND_AUDIO
            # Egress has no key either; the observer notes the track as encrypted.
            or publication.encryption_type != rtc.EncryptionType.NONE
            or participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS
            or participant.identity.startswith(self._own_prefix)
            or publication.sid in self._tasks
        ):
            return
        self._tasks[publication.sid] = asyncio.create_task(
            self.have_recorded(publication.sid, participant.identity), name="egress-request"
        )

    async def have_recorded(self, track_id: str, identity: str) -> None:
        """Have a track recorded, unless it is or somebody sees to it. Does not raise."""
        began_s = self._clock.now_s()
        try:
            if self._options.is_auto:
                await asyncio.sleep(_AUTO_WITHIN_S)
            n_before = await self._claim(track_id, identity)
            if n_before is None:
                return
            reason = await self._ask(track_id, n_before)
        except Exception as exc:  # whatever it is, it must not end in silence
            reason = type(exc).__name__
        if reason is None:
            return
        log.error("a track is not recorded", extra={**self._ids(track_id), "reason": reason})
        self._ledger.gap(
            identity=identity, kind="not_recorded", start_s=began_s, detail=f"{track_id}: {reason}"
        )
        await self._write(
            lambda c: egress_claims.give_up_claim(
                c, self._room_sid, track_id, reason=reason, now=datetime.now(UTC)
            )
        )

    async def _claim(self, track_id: str, identity: str) -> int | None:
        """Claim a track.

        Returns:
            How many requests were made for it before; None where it is not ours to ask.
        """

        def claim(connection: Connection) -> tuple[EgressClaim, bool]:
            return egress_claims.claim_track(
                connection,
                room_sid=self._room_sid,
                track_id=track_id,
                room_name=self._room_name,
                identity=identity,
                now=datetime.now(UTC),
            )

        deadline_s = self._clock.now_s() + _MAX_WAIT_S
        while self._clock.now_s() < deadline_s:
            claimed = await self._write(claim)
            if claimed is None:
                # The listing still keeps a track from being recorded twice, but for a race that
                # needs a second observer; not to record it would be worse.
                return 0
            made, is_ours = claimed
            if is_ours:
                return made.attempts
            if made.is_settled:
                return None
            # Another observer is at it, or dead.
            await asyncio.sleep(_LOOK_AGAIN_S)
        return None  # whoever holds the claim now has to see to it

    async def _ask(self, track_id: str, n_before: int) -> str | None:
        """Ask until Egress takes the request.

        Returns:
            None once it is recorded, else a code that says why not.
        """
        reason = "unavailable"
        for attempt, delay_s in enumerate(_RETRY_DELAYS_S, start=1):
            try:
                async with self._api() as client:
                    info = await self._running(client, track_id)
                    if info is None:
                        info = await self._request(client, track_id, n_before + attempt)
                await self._settle(track_id, info)
                return None
            except LiveKitUnavailableError as exc:
                reason = exc.code
            log.warning(
                "Egress did not take a request",
                extra={**self._ids(track_id), "reason": reason, "attempt": attempt},
            )
            if reason in _FINAL_CODES:
                break
            await asyncio.sleep(delay_s)
        return reason

    async def _running(self, client: api.LiveKitAPI, track_id: str) -> proto.EgressInfo | None:
        """The egress that has this track, by whomever it was started."""
        listed = await client.egress.list_egress(api.ListEgressRequest(room_name=self._room_name))
        return next(
            (
                info
                for info in listed.items
                if info.room_id == self._room_sid
                and track_of(info) == track_id
                and info.status not in _OVER
            ),
            None,
        )

    async def _request(
        self, client: api.LiveKitAPI, track_id: str, number: int
    ) -> proto.EgressInfo:
        await self._write(lambda c: egress_claims.note_attempt(c, self._room_sid, track_id))
        return await client.egress.start_track_egress(
            self._options.track_request(
                room_name=self._room_name,
                track_id=track_id,
                day=self._clock.call_started_at.date(),
                number=number,
            )
        )

    async def _settle(self, track_id: str, info: proto.EgressInfo) -> None:
        egress = egress_of(info, self._options, told_at=datetime.now(UTC))

        def write(connection: Connection) -> None:
            egress_claims.settle_claim(connection, self._room_sid, track_id, info.egress_id)
            save_egress(connection, egress)

        await self._write(write)
        log.info("a track is being recorded", extra=self._ids(track_id))

    async def _write(self, work: Callable[[Connection], Value]) -> Value | None:
        """Do something in a transaction, and a few times over where the database is away."""
        for delay_s in (*_DATABASE_DELAYS_S, None):
            try:
                return await asyncio.to_thread(self._in_transaction, work)
            except StorageError as exc:
                if delay_s is None:
                    log.error(
                        "the database did not take what became of a recording",
                        extra={"room_sid": self._room_sid, "error": type(exc).__name__},
                    )
                    return None
            await asyncio.sleep(delay_s)
        return None

    def _in_transaction(self, work: Callable[[Connection], Value]) -> Value:
        with self._database.begin() as connection:
            return work(connection)

    def _ids(self, track_id: str) -> dict[str, str]:
        return {"room_sid": self._room_sid, "track_id": track_id}
