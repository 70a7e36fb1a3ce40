"""Signed heads of the trail: what the chain came to at one moment, and who says so.

A head names the last entry, by number and hash, and the head before it; it is signed with Ed25519
over the line `earmark trail head 1`, a newline, and its JSON in ASCII, keys in order and without
spaces. SHA-256 of these same bytes is the head's own hash. Heads lie in the object store, one a
file, where whoever can write the database need not be able to write.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from storage.errors import TrailError
from storage.signing_keys import fingerprint, is_signed
from storage.trail_hashes import canonical, shown_time

HEADS_PREFIX = "trail/heads/"
CONTENT_TYPE = "application/json"
MAX_HEAD_BYTES = 16 * 1024
_TYPE = "earmark trail head"
_VERSION = 1
_SIGNED = b"earmark trail head 1\n"
_KEY = re.compile(re.escape(HEADS_PREFIX) + r"(\d{12,19})-([0-9a-f]{16})\.json")

_Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Seq = Annotated[int, Field(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLink:
    """The head that another one follows."""

    seq: int
    head_hash: str  # hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What was signed."""

    chain_id: str
    seq: int  # of the last entry
    hash: str  # of that entry; hex
    at: datetime  # UTC, of the signing
    key: str  # fingerprint of the key that signed
    previous: HeadLink | None  # None = it is the first
    signature: bytes

    @property
    def head_hash(self) -> str:
        """The head's own hash; hex."""
        return hashlib.sha256(_signed_bytes(self)).hexdigest()

    @property
    def object_key(self) -> str:
        """Where it lies. Two heads never have the same key."""
        return f"{HEADS_PREFIX}{self.seq:012}-{self.head_hash[:16]}.json"

    def document(self) -> str:
        """The JSON that is stored."""
        return canonical(
            {
                "type": _TYPE,
                "version": _VERSION,
                "head": _tree(self),
                "signature": b64encode(self.signature).decode(),
            }
        )

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether this key signed it, as it is."""
        return is_signed(key, self.signature, _signed_bytes(self))


def sign_head(
    key: Ed25519PrivateKey,
    *,
    chain_id: str,
    seq: int,
    hash: str,
    at: datetime,
    previous: HeadLink | None,
) -> Head:
    """Sign what the chain comes to.

    Args:
        key: Signs.
        chain_id: The chain.
        seq: Of its last entry.
        hash: Of that entry.
        at: UTC, now.
        previous: The head before; None = there is none.
    """
    unsigned = Head(
        chain_id=chain_id, seq=seq, hash=hash, at=at, previous=previous, signature=b"",
        key=fingerprint(key.public_key()),
    )  # fmt: skip
    signature = key.sign(_signed_bytes(unsigned))
    return Head(
        chain_id=chain_id, seq=seq, hash=hash, at=at, previous=previous, signature=signature,
        key=unsigned.key,
    )  # fmt: skip


def parse_head(data: bytes, object_key: str) -> Head:
    """The head in an object. Its signature is not looked at.

    Raises:
        TrailError: it is no head, of an unknown version, or not the one of this key.
    """
    try:
        read = _Document.model_validate_json(data)
        head = Head(
            chain_id=read.head.chain,
            seq=read.head.seq,
            hash=read.head.hash,
            at=read.head.at,
            key=read.head.key,
            previous=HeadLink(seq=read.head.previous.seq, head_hash=read.head.previous.head_hash)
            if read.head.previous
            else None,
            signature=b64decode(read.signature, validate=True),
        )
    except (ValidationError, Base64Error):
        raise TrailError(f"{object_key}: is no head of a trail, or of an unknown version") from None
    # Whatever is not in the signed part must not pass for it.
    if head.document().encode() != data or head.object_key != object_key:
        raise TrailError(f"{object_key}: is not as a head is written, or has another's name")
    return head


def seq_of_key(object_key: str) -> int | None:
    """The number in the name of a head's object, None where it has none."""
    found = _KEY.fullmatch(object_key)
    return int(found[1]) if found else None


def _tree(head: Head) -> dict[str, object]:
    previous = head.previous
    return {
        "chain": head.chain_id,
        "seq": head.seq,
        "hash": head.hash,
        "at": shown_time(head.at),
        "key": head.key,
        "previous": {"seq": previous.seq, "head_hash": previous.head_hash} if previous else None,
    }


def _signed_bytes(head: Head) -> bytes:
    return _SIGNED + canonical(_tree(head)).encode()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Link(_Strict):
    seq: _Seq
    head_hash: _Hex


class _Head(_Strict):
    chain: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    seq: _Seq
    hash: _Hex
    at: AwareDatetime
    key: _Hex
    previous: _Link | None


class _Document(_Strict):
    type: Literal["earmark trail head"]
    version: Literal[1]
    head: _Head
    signature: Annotated[str, StringConstraints(max_length=200)]
