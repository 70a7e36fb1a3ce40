"""Reading the heads in the store: who signed them, and that each follows the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.errors import ObjectMissingError, TrailError
from storage.objects import ObjectStore
from storage.signing_keys import fingerprint
from storage.trail_faults import FaultCode, Faults
from storage.trail_heads import HEADS_PREFIX, MAX_HEAD_BYTES, Head, parse_head, seq_of_key

_AT_ONCE = 8  # a store answers each request in its time
_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a head says of one entry. Of the others, nothing is kept."""

    seq: int
    hash: str  # of the entry; hex
    at: datetime | None  # UTC, of the signing; None = it was given by hand
    about: str  # where it is from


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Two heads that follow the same one."""

    seq: int  # the first entry of which there may be two versions
    one: Anchor
    other: Anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHeads:
    """The heads of one chain that were signed by a known key, in the order of their entries."""

    chain_id: str | None  # None = there is no head
    anchors: tuple[Anchor, ...]
    head_hashes: frozenset[str]
    doubtful: frozenset[int]  # entries whose heads are told of already
    faults: Faults
    forks: tuple[Fork, ...]


def read_heads(
    objects: ObjectStore,
    keys: Sequence[Ed25519PublicKey],
    *,
    chain_id: str | None,
    on_read: Callable[[], None],
) -> StoredHeads:
    """Read and check all heads.

    Args:
        objects: Where they are.
        keys: Those that may have signed.
        chain_id: The chain of the database; None = it has none, so the first head's is taken.
        on_read: Told of each.

    Raises:
        StorageUnavailableError: the store cannot be reached.
    """
    check = _HeadCheck({fingerprint(key): key for key in keys}, chain_id)
    for object_key, data in _documents(objects):
        on_read()
        check.take(object_key, data)
    return check.result()


def has_heads(objects: ObjectStore) -> bool:
    """Whether anything was ever anchored there."""
    return next(iter(objects.list(HEADS_PREFIX)), None) is not None


class _HeadCheck:
    def __init__(self, keys: Mapping[str, Ed25519PublicKey], chain_id: str | None) -> None:
        self._keys = keys
        self._chain_id = chain_id
        self._anchors: list[Anchor] = []
        self._seen: dict[str, tuple[int, str]] = {}  # by head hash: what it says
        self._followed: dict[object, Anchor] = {}  # the first that follows, by what is followed
        self._doubtful: set[int] = set()
        self._others: dict[str, int] = {}
        self._forks: list[Fork] = []
        self._faults = Faults()

    def take(self, object_key: str, data: bytes | None) -> None:
        seq = seq_of_key(object_key) or 0
        try:
            if data is None or len(data) > MAX_HEAD_BYTES:
                raise TrailError(object_key)
            head = parse_head(data, object_key)
        except TrailError:
            self._doubt(FaultCode.HEAD_UNREADABLE, seq, object_key)
            return
        key = self._keys.get(head.key)
        if key is None:
            self._doubt(FaultCode.HEAD_WRONG_KEY, seq, f"{head.key[:16]} ({object_key})")
        elif not head.is_signed_by(key):
            self._doubt(FaultCode.HEAD_FORGED, seq, object_key)
        elif self._chain_id is not None and head.chain_id != self._chain_id:
            self._others[head.chain_id] = max(seq, self._others.get(head.chain_id, 0))
        else:
            self._chain_id = head.chain_id
            anchor = Anchor(seq=head.seq, hash=head.hash, at=head.at, about=object_key)
            self._link(head, anchor)
            self._seen[head.head_hash] = (head.seq, head.hash)
            self._anchors.append(anchor)

    def _link(self, head: Head, anchor: Anchor) -> None:
        before = head.previous
        followed: object = None
        if before is not None:
            followed = self._seen.get(before.head_hash, before.head_hash)
            if before.head_hash not in self._seen and before.seq not in self._doubtful:
                self._doubt(FaultCode.HEAD_MISSING, before.seq, before.head_hash[:16])
        # Two copies of one database may have anchored the same entry before they parted.
        first = self._followed.setdefault(followed, anchor)
        if (first.seq, first.hash) != (anchor.seq, anchor.hash):
            fork = Fork(seq=(before.seq if before else 0) + 1, one=first, other=anchor)
            self._forks.append(fork)

    def _doubt(self, code: FaultCode, seq: int, about: str) -> None:
        self._doubtful.add(seq)
        self._faults.add(code, seq, about=about)

    def result(self) -> StoredHeads:
        for chain_id, seq in sorted(self._others.items()):
            self._faults.add(FaultCode.OTHER_CHAIN, 0, about=f"{chain_id}, {seq} entries")
        return StoredHeads(
            chain_id=self._chain_id,
            anchors=tuple(sorted(self._anchors, key=lambda each: each.seq)),
            head_hashes=frozenset(self._seen),
            doubtful=frozenset(self._doubtful),
            faults=self._faults,
            forks=tuple(self._forks),
        )


def _documents(objects: ObjectStore) -> Iterator[tuple[str, bytes | None]]:
    def read(object_key: str) -> bytes | None:
        try:
            return objects.get_bytes(object_key)
        except ObjectMissingError:
            return None

    keys = (
        # An object that is too large is not read.
        (found.key, found.size_bytes <= MAX_HEAD_BYTES)
        for found in objects.list(HEADS_PREFIX)
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while chunk := list(islice(keys, _CHUNK)):
            small = [key for key, is_small in chunk if is_small]
            data = dict(zip(small, pool.map(read, small), strict=True))
            for key, _ in chunk:
                yield key, data.get(key)
