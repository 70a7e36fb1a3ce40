"""ID tokens as somebody would forge them: what is done to the provider's answer on its way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

Change = Callable[[dict[str, Any]], None]


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def encoded(tree: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(tree).encode()).decode().rstrip("=")


def with_claims(**changes: Any) -> Change:
    """Other claims under the old signature."""

    def change(token: dict[str, Any]) -> None:
        header, _, signature = token["id_token"].split(".")
        claims = claims_of(token["id_token"]) | changes
        token["id_token"] = ".".join((header, encoded(claims), signature))

    return change


def without_signature(header: dict[str, Any], signature: str = "") -> Change:
    """The same claims, and a header that asks for no check."""

    def change(token: dict[str, Any]) -> None:
        claims = claims_of(token["id_token"]) | {"sub": "bo"}
        token["id_token"] = ".".join((encoded(header), encoded(claims), signature))

    return change


def signed_by(key: RSAKey | OctKey, alg: str, *, keep_kid: bool = True) -> Change:
    """The same claims, signed by somebody else."""

    def change(token: dict[str, Any]) -> None:
        part = token["id_token"].split(".")[0]
        old = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        header = {"alg": alg} | ({"kid": old["kid"]} if keep_kid else {"kid": "mine"})
        token["id_token"] = jwt.encode(header, claims_of(token["id_token"]), key, algorithms=[alg])

    return change


OWN_KEY = RSAKey.generate_key(2048)
SECRET = OctKey.import_key("earmark-secret-of-the-tests-earmark-secret")
FORGED = [
    pytest.param(with_claims(sub="bo"), id="other-subject"),
    pytest.param(with_claims(groups=["qa-leads"]), id="other-groups"),
    pytest.param(with_claims(nonce="x"), id="other-nonce"),
    pytest.param(without_signature({"alg": "none"}), id="alg-none"),
    pytest.param(without_signature({"alg": "None"}), id="alg-None"),
    pytest.param(without_signature({"alg": "RS256"}), id="no-signature"),
    pytest.param(without_signature({}), id="no-alg"),
    pytest.param(signed_by(OWN_KEY, "RS256"), id="own-key-under-their-name"),
    pytest.param(signed_by(OWN_KEY, "RS256", keep_kid=False), id="own-key"),
    pytest.param(signed_by(SECRET, "HS256"), id="secret-as-key"),
    pytest.param(lambda token: token.update(id_token="x"), id="no-token"),
    pytest.param(lambda token: token.update(id_token="x" * 70_000), id="long-token"),
    pytest.param(lambda token: token.update(id_token=7), id="number"),
    pytest.param(lambda token: token.pop("id_token"), id="none-at-all"),
]
