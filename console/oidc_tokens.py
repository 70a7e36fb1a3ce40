"""Checking ID tokens: who signed them, for whom, when, and for which sign-in."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

# Signed with a key pair: neither `none`, nor a secret that both sides know.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
_LEEWAY_S = 60  # clocks differ
_MAX_TOKEN_CHARS = 64_000


class TokenError(Exception):
    """An ID token that is not to be believed; the text names the check, and no value."""


def checked_claims(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """What an ID token says, once everything about it was checked.

    Args:
        token: As the provider gave it.
        keys: The provider's public keys.
        issuer: Who must have made it.
        client_id: For whom.
        nonce: Of this very sign-in.
        now: UTC.

    Raises:
        TokenError: it is not to be believed.
        KeyError: none of the keys is the one that it names; the provider may have a new one.
    """
    if len(token) > _MAX_TOKEN_CHARS:
        raise TokenError("too long")
    try:
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True},
        ).validate(decoded.claims)
    except JoseError as exc:
        if exc.error in {"invalid_key_id", "missing_key"}:
            raise KeyError(exc.error) from None
        raise TokenError(exc.error) from None
    except (ValueError, TypeError):
        raise TokenError("not a token") from None
    claims: dict[str, Any] = decoded.claims
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(
        claims["nonce"].encode(), nonce.encode()
    ):
        raise TokenError("nonce")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    # A token for several says who asked for it.
    if claims.get("azp", client_id if len(audiences) == 1 else None) != client_id:
        raise TokenError("azp")
    return claims
