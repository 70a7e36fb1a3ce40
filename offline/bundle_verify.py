"""Checking an evidence bundle: nothing is unpacked, and every entry is read to its end."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from offline.bundle import MANIFEST, PUBLIC_KEY, SIGNATURE, TYPE
from offline.errors import BundleError
from storage.signing_keys import fingerprint, is_signed, parse_public_key

# Not in the manifest, since they are what vouches for it.
_VOUCHING = frozenset({MANIFEST, SIGNATURE, PUBLIC_KEY})
_MAX_MANIFEST_BYTES = 64 << 20
_SIGNATURE_BYTES = 64
_CHUNK_BYTES = 1 << 20
_END_BYTES = 22  # a ZIP's last record, by which it is found


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it was signed."""

    code: Literal["wrong_key", "forged", "changed", "missing", "added", "unreadable"]
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a bundle is, and what is wrong with it."""

    room_sid: str
    made_at: str
    is_masked: bool
    n_entries: int
    key_fingerprint: str
    is_key_known: bool  # it was checked against a key from elsewhere
    faults: tuple[Fault, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Entry(_Strict):
    path: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]


class _Manifest(_Strict):
    type: Literal["earmark-evidence-bundle"]
    schema_version: Literal[1]
    room_sid: str
    audit_key: str
    made_at: str
    made_by: str
    is_masked: bool
    signing_key_sha256: str
    entries: list[_Entry]


def verify(path: Path, *, key: Ed25519PublicKey | None = None) -> Verified:
    """Check a bundle against its manifest, and the manifest against a key.

    Args:
        path: The file.
        key: The public key that must have signed it; None takes the one inside, which shows that
            nothing was changed since, and not by whom it was made.

    Raises:
        BundleError: it is no bundle, or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return _verify(path, file, key)
    except FileNotFoundError:
        raise BundleError(f"{path}: no such file") from None
    except OSError as exc:
        raise BundleError(f"{path}: cannot be read: {exc.strerror}") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError):
        raise BundleError(f"{path}: is no ZIP file, or a damaged one") from None


def _verify(path: Path, file: zipfile.ZipFile, key: Ed25519PublicKey | None) -> Verified:
    names = file.namelist()
    for name in (MANIFEST, SIGNATURE, PUBLIC_KEY):
        if name not in names:
            raise BundleError(f"{path}: is no evidence bundle: {name} is not in it")
    data = _read(path, file, MANIFEST, _MAX_MANIFEST_BYTES)
    signature = _read(path, file, SIGNATURE, _SIGNATURE_BYTES)
    try:
        manifest = _Manifest.model_validate_json(data)
    except ValidationError:
        raise BundleError(f"{path}: its manifest is none of an {TYPE} of a known version") from None
    inside = parse_public_key(_read(path, file, PUBLIC_KEY, 4096), f"{path}: {PUBLIC_KEY}")
    faults = list(_key_faults(manifest, inside, key))
    if not is_signed(key or inside, signature, data) and not faults:
        faults.append(Fault(code="forged", path=MANIFEST))
    faults += _entry_faults(file, manifest, names)
    faults += [Fault(code="added", path=what) for what in _beside(path, file)]
    return Verified(
        room_sid=manifest.room_sid,
        made_at=manifest.made_at,
        is_masked=manifest.is_masked,
        n_entries=len(manifest.entries),
        key_fingerprint=fingerprint(key or inside),
        is_key_known=key is not None,
        faults=tuple(faults),
    )


def _key_faults(
    manifest: _Manifest, inside: Ed25519PublicKey, key: Ed25519PublicKey | None
) -> list[Fault]:
    wanted = fingerprint(key or inside)
    if fingerprint(inside) != wanted or manifest.signing_key_sha256 != wanted:
        return [Fault(code="wrong_key", path=PUBLIC_KEY)]
    return []


def _entry_faults(file: zipfile.ZipFile, manifest: _Manifest, names: list[str]) -> list[Fault]:
    faults: list[Fault] = []
    signed = {entry.path: entry for entry in manifest.entries}
    for name, entry in signed.items():
        if name not in names:
            faults.append(Fault(code="missing", path=name))
            continue
        try:
            if not _is_as_signed(file, entry):
                faults.append(Fault(code="changed", path=name))
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError):
            faults.append(Fault(code="unreadable", path=name))
    for name in dict.fromkeys(names):
        # A second entry of one name is an addition: programs differ on which of them they unpack.
        if (name not in signed and name not in _VOUCHING) or names.count(name) > 1:
            faults.append(Fault(code="added", path=name))
    return faults


def _beside(path: Path, file: zipfile.ZipFile) -> Iterator[str]:
    """What a file may carry beside its entries, where no manifest names it."""
    if file.comment or any(info.comment for info in file.infolist()):
        yield "(a comment)"
    if min(info.header_offset for info in file.infolist()) > 0:
        yield "(bytes before the first entry)"
    with path.open("rb") as raw:
        raw.seek(-_END_BYTES - len(file.comment), 2)
        if not raw.read(_END_BYTES).startswith(b"PK\x05\x06"):
            yield "(bytes behind the end)"


def _is_as_signed(file: zipfile.ZipFile, entry: _Entry) -> bool:
    digest, n_bytes = hashlib.sha256(), 0
    with file.open(entry.path) as source:
        while chunk := source.read(_CHUNK_BYTES):
            n_bytes += len(chunk)
            if n_bytes > entry.size_bytes:  # it may go on for ever
                return False
            digest.update(chunk)
    return n_bytes == entry.size_bytes and digest.hexdigest() == entry.sha256


def _read(path: Path, file: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    with file.open(name) as source:
        data = source.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise BundleError(f"{path}: {name} is longer than it can be")
    return data
