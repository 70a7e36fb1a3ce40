"""Ed25519 keys that sign evidence bundles and heads of the trail, as PEM files."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from storage.errors import SigningKeyError

_MAX_BYTES = 64 * 1024


def make_key(path: Path) -> Ed25519PrivateKey:
    """Make a private key in a new file that only its owner may read.

    Raises:
        SigningKeyError: the file is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
    except OSError as exc:
        raise SigningKeyError(f"{path}: cannot be made: {exc.strerror}") from None
    return key


def ensure_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file, which is made where there is none.

    Of several who make it at once, all get the same.

    Raises:
        SigningKeyError: it cannot be made or read.
    """
    if not path.exists():
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            make_key(partial)
            os.link(partial, path)  # whole or not at all, and unlike a rename it replaces nothing
        except FileExistsError:
            pass  # another was first
        except OSError as exc:
            raise SigningKeyError(f"{path}: cannot be made: {exc.strerror}") from None
        finally:
            partial.unlink(missing_ok=True)
    return load_private_key(path)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file.

    Raises:
        SigningKeyError: it cannot be read, is locked with a passphrase, or is another kind of key.
    """
    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise SigningKeyError(f"{path}: is locked with a passphrase; give a key without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(f"{path}: is no private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path}: is no Ed25519 key")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file; of a private key, its public half.

    Raises:
        SigningKeyError: it cannot be read, or is another kind of key.
    """
    data = _read(path)
    if b"PRIVATE KEY" in data:
        return load_private_key(path).public_key()
    return parse_public_key(data, str(path))


def parse_public_key(data: bytes, where: str) -> Ed25519PublicKey:
    """The public key in PEM bytes.

    Raises:
        SigningKeyError: it is none.
    """
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(f"{where}: is no public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SigningKeyError(f"{where}: is no Ed25519 key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, in hex: to compare by telephone."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def is_signed(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the signature is the key's, over these bytes."""
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as exc:
        raise SigningKeyError(f"{path}: cannot be read: {exc.strerror}") from None
