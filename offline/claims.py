"""Claims: who is at which audit, so that none is done twice and none is left to a dead process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TypeVar

from offline.errors import AuditBusyError, AuditPoisonedError
from offline.fingerprint import repeated_key
from storage import audits
from storage.database import Database
from storage.errors import StorageError

log = logging.getLogger(__name__)

# A dead audit's claim is free after this; a live one renews it three times in between.
LEASE_S = 30.0
_POLL_S = 0.5
# A report that was removed, or replaced by an audit with other rules, is made again; more often
# than this, something else removes reports.
_MAX_REPEATS = 1000

_AWAY = 3  # the exit code of errors that say that a service or a model is missing

Made = TypeVar("Made")


class Claims:
    """The ledger of audits, as one who does them sees it.

    Args:
        database: Open.
        lease_s: How long a claim lasts without a sign of life.
        owner: Who claims, so that whoever looks after this process can speak for it when it is
            dead.
        max_faults: After so many faults of its own a call is poison and is left alone. None = it is
            tried without end, by whoever asks again.
        takes_poisoned: Take up poison as well, as if nothing had happened.
    """

    def __init__(
        self,
        database: Database,
        lease_s: float = LEASE_S,
        *,
        owner: str | None = None,
        max_faults: int | None = None,
        takes_poisoned: bool = False,
    ) -> None:
        self._database = database
        self._lease_s = lease_s
        self._owner = owner
        self._max_faults = max_faults
        self._takes_poisoned = takes_poisoned
        # Of whoever else is at an audit: so long one waits for a sign that they are dead.
        self.patience_s = 1.5 * lease_s

    def claim(
        self, key: str, room_sid: str, find_made: Callable[[], Made | None]
    ) -> audits.Claim | Made:
        """Get hold of an audit, or of what an earlier run made of it.

        Waits for the claim of a run that died; its lease is soon out.

        Args:
            key: Of the audit.
            room_sid: Of the call.
            find_made: Looks for what a run that is done has left; None if it is gone.

        Raises:
            AuditBusyError: another process is at it and stays at it.
            AuditPoisonedError: it has failed too often, or killed who was at it.
        """
        deadline_s = time.monotonic() + self.patience_s
        repeat = 0
        while repeat < _MAX_REPEATS:
            with self._database.begin() as connection:
                claim = audits.claim(
                    connection,
                    repeated_key(key, repeat),
                    room_sid,
                    datetime.now(UTC),
                    self._lease_s,
                    owner=self._owner,
                    max_faults=self._max_faults,
                    take_poisoned=self._takes_poisoned,
                )
            if claim.outcome is audits.ClaimOutcome.CLAIMED:
                return claim
            if claim.outcome is audits.ClaimOutcome.POISONED:
                raise AuditPoisonedError(room_sid, claim.code or "unknown")
            if claim.outcome is audits.ClaimOutcome.DONE:
                made = find_made()
                if made is not None:
                    return made
                repeat += 1
            elif time.monotonic() >= deadline_s:
                raise AuditBusyError(
                    f"call {room_sid}: another run is auditing it; try again when it is done"
                )
            else:
                time.sleep(_POLL_S)
        raise AuditBusyError(
            f"call {room_sid}: its report was removed {_MAX_REPEATS} times; see what does that"
        )

    def give_back(self) -> None:
        """Let go of whatever this owner holds, because it is about to end; nobody's fault.

        Raises:
            StorageError: the database cannot be reached. The leases run out by themselves.
        """
        if self._owner is None:
            return
        with self._database.begin() as connection:
            audits.release_of_owner(connection, self._owner, error="stopped", now=datetime.now(UTC))

    @contextmanager
    def held(self, claim: audits.Claim) -> Iterator[None]:
        """Renew a claim while the block lasts, and give it back if the block fails."""
        over = Event()
        thread = Thread(target=self._renew, args=(claim, over), name="audit-lease", daemon=True)
        thread.start()
        try:
            yield
        except BaseException as exc:
            self._fail(claim, exc)
            raise
        finally:
            over.set()
            thread.join()

    def _renew(self, claim: audits.Claim, over: Event) -> None:
        while not over.wait(self._lease_s / 4):
            try:
                with self._database.begin() as connection:
                    audits.renew(
                        connection,
                        claim.audit_key,
                        attempt=claim.attempt,
                        now=datetime.now(UTC),
                        lease_s=self._lease_s,
                    )
            except StorageError as exc:  # the next renewal may work, and who finishes finds out
                log.warning("a claim could not be renewed", extra={"error": type(exc).__name__})

    def _fail(self, claim: audits.Claim, error: BaseException) -> None:
        try:
            with self._database.begin() as connection:
                audits.fail(
                    connection,
                    claim.audit_key,
                    attempt=claim.attempt,
                    error=type(error).__name__,
                    now=datetime.now(UTC),
                    is_fault=_is_fault(error),
                    max_faults=self._max_faults,
                )
        except StorageError:
            # The lease runs out by itself, and the first error is the one to tell.
            log.warning("a failed audit could not be noted", extra={"audit_key": claim.audit_key})


def _is_fault(error: BaseException) -> bool:
    """Whether a failure lies in the call: not in a service that was away, nor in who stopped us."""
    return isinstance(error, Exception) and getattr(error, "exit_code", None) != _AWAY
