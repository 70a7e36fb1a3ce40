"""From settings to the keys of the trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import BadInputError
from earmark.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    from console.anchoring import AnchorOptions

KEY_FILE = "trail-key.pem"
_HOW = "make one with `earmark trail key --out FILE` and set EARMARK_TRAIL_KEY_FILE"


def own_key_path(settings: Settings) -> Path | None:
    """Where the key lies that nobody set; None where one has to be set.

    On a server's database several consoles may work, each with a data folder of its own.
    """
    is_embedded = settings.database_url is None or settings.database_url.startswith("sqlite")
    return settings.data_dir / KEY_FILE if is_embedded else None


def trail_signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key that signs heads; made where the embedded database has none.

    Raises:
        BadInputError: there is none, and one has to be set.
        SigningKeyError: it cannot be read, or is another kind of key.
    """
    from storage.signing_keys import ensure_key, load_private_key

    if settings.trail_key_file is not None:
        return load_private_key(settings.trail_key_file)
    path = own_key_path(settings)
    if path is None:
        raise BadInputError(f"no key to sign heads of the trail with; {_HOW}")
    return ensure_key(path)


def trail_public_keys(settings: Settings, given: Sequence[Path]) -> tuple[Ed25519PublicKey, ...]:
    """The keys that may have signed heads: the one in force first, then earlier and given ones.

    Raises:
        SigningKeyError: one cannot be read, or is another kind of key.
    """
    from storage.signing_keys import load_public_key

    in_force = settings.trail_key_file or own_key_path(settings)
    paths = [*settings.trail_known_keys, *given]
    if in_force is not None and (settings.trail_key_file is not None or in_force.exists()):
        paths.insert(0, in_force)
    return tuple(load_public_key(path) for path in paths)


def anchor_options(settings: Settings) -> AnchorOptions | None:
    """How the console keeps the trail anchored; None = there is no key, and one has to be set.

    Raises:
        SigningKeyError: a key cannot be read, or is another kind of key.
    """
    from console.anchoring import AnchorOptions
    from storage.signing_keys import load_public_key

    if settings.trail_key_file is None and own_key_path(settings) is None:
        return None
    return AnchorOptions(
        key=trail_signing_key(settings),
        known_keys=tuple(load_public_key(path) for path in settings.trail_known_keys),
        n_entries=settings.trail_anchor_entries,
        after=timedelta(minutes=settings.trail_anchor_minutes),
    )
