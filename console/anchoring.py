"""Keeps the trail anchored while the console runs, and verifies it for whoever asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage.database import Database
from storage.errors import StorageError
from storage.objects import ObjectStore
from storage.trail_anchor import anchor, anchor_state
from storage.trail_verify import Verification, verify

logger = logging.getLogger("console")

_LOOK_EVERY_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorOptions:
    """Who signs, and how often."""

    key: Ed25519PrivateKey = field(repr=False)
    known_keys: Sequence[Ed25519PublicKey] = ()  # that signed before
    n_entries: int = 100
    after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A verification that somebody asked for."""

    began_at: datetime  # UTC
    n_done: int = 0  # entries so far
    total: int | None = None
    found: Verification | None = None  # None = it goes on, or failed
    has_failed: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.found is None and not self.has_failed


class Anchoring:
    """Signs and stores heads in a thread of its own. Safe to use from several threads.

    Args:
        database: Open.
        objects: Where heads are stored.
        options: Who signs, and how often.
        now: Gives the time, UTC.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        options: AnchorOptions,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._objects = objects
        self._options = options
        self._now = now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._verified: Verified | None = None

    def start(self) -> None:
        """Begin to look now and then whether an anchor is due."""
        self._thread = threading.Thread(target=self._run, name="anchoring", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Anchor what is left, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=20)

    def look(self, *, is_last: bool = False) -> bool:
        """Anchor if it is due, or at the end if anything is left.

        Returns:
            Whether a head was made. What fails is logged, and tried again at the next look.
        """
        now = self._now()
        try:
            with self._database.begin(read_only=True) as connection:
                state = anchor_state(connection)
            options = self._options
            is_due = state.is_due(now, n_entries=options.n_entries, after=options.after)
            if not (is_due or state.n_waiting or (is_last and state.n_entries)):
                return False
            return anchor(self._database, self._objects, options.key, now=now) is not None
        except StorageError as exc:
            logger.error("the trail could not be anchored", extra={"error": type(exc).__name__})
            return False

    @property
    def verified(self) -> Verified | None:
        """The last verification; None = nobody asked for one since the start."""
        return self._verified

    def verify(self) -> None:
        """Begin to verify the trail, unless that goes on already."""
        with self._lock:
            if self._verified is not None and self._verified.is_running:
                return
            self._verified = Verified(began_at=self._now())
        threading.Thread(target=self._verify, name="trail-verify", daemon=True).start()

    def _verify(self) -> None:
        began_at = self._now()

        def on_progress(what: str, n: int, total: int | None) -> None:
            if what == "entries":
                self._verified = Verified(began_at=began_at, n_done=n, total=total)

        try:
            keys = [self._options.key.public_key(), *self._options.known_keys]
            found = verify(self._database, self._objects, keys, on_progress=on_progress)
        except Exception as exc:
            # A thread's error would be told to nobody, and the page would wait for ever.
            logger.error("the trail could not be verified", extra={"error": type(exc).__name__})
            self._verified = Verified(began_at=began_at, has_failed=True)
            return
        self._verified = Verified(
            began_at=began_at, n_done=found.n_entries, total=found.n_entries, found=found
        )

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            self.look()
        self.look(is_last=True)
