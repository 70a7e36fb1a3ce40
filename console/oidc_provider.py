"""The OpenID Provider over HTTP: its addresses, its keys, and what it gives for a code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, ValidationError

_TIMEOUT_S = 5.0
_KEPT_S = 3600.0  # addresses and keys
_MAX_BYTES = 1 << 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ProviderAwayError(Exception):
    """The provider cannot be reached, or does not answer as it should; the text names no value."""


class ProviderRefusedError(Exception):
    """The provider does not take what we sent; the text is its code."""


class Metadata(BaseModel):
    """What discovery tells; the rest is not needed."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that is asked, or that people are sent to."""
        found = (
            self.authorization_endpoint, self.token_endpoint, self.jwks_uri,
            self.userinfo_endpoint, self.end_session_endpoint,
        )  # fmt: skip
        return tuple(each for each in found if each is not None)


class Provider:
    """One provider, as one of its clients reaches it. Safe to use from several threads.

    Args:
        issuer: Its address, as it writes it itself.
        client_id: Ours.
        client_secret: Ours; None = a public client.
        scopes: What is asked for.
        transport: How it is reached; None = as httpx does.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str | None,
        scopes: str,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._transport = transport
        self._kept: dict[str, tuple[float, Any]] = {}

    def metadata(self) -> Metadata:
        """Its addresses.

        Raises:
            ProviderAwayError: they cannot be had, or are not what they should be.
        """

        def fetch() -> Metadata:
            address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = Metadata.model_validate(self._fetched(address))
            except ValidationError:
                raise ProviderAwayError("discovery: malformed") from None
            if found.issuer != self._issuer:
                raise ProviderAwayError("discovery: another issuer")
            if not all(map(is_safe_address, found.addresses)):
                raise ProviderAwayError("discovery: an address without TLS")
            return found

        found: Metadata = self._kept_or("metadata", fetch)
        return found

    def keys(self, *, is_fresh: bool) -> KeySet:
        """Its public keys.

        Args:
            is_fresh: Do not take those that were fetched before.

        Raises:
            ProviderAwayError: they cannot be had.
        """

        def fetch() -> KeySet:
            try:
                return KeySet.import_key_set(self._fetched(self.metadata().jwks_uri))
            except (JoseError, KeyError, TypeError, ValueError):
                raise ProviderAwayError("keys: malformed") from None

        if is_fresh:
            self._kept.pop("keys", None)
        found: KeySet = self._kept_or("keys", fetch)
        return found

    def address(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser.

        Raises:
            ProviderAwayError: see `metadata`.
        """
        address, _ = self._client(None, redirect_uri).create_authorization_url(
            self.metadata().authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
        return str(address)

    def exchanged(self, code: str, *, redirect_uri: str, verifier: str) -> Mapping[str, Any]:
        """Tokens for a code.

        Raises:
            ProviderRefusedError: it was used, is too old, or is not of this browser.
            ProviderAwayError: there is no answer that makes sense.
        """
        metadata = self.metadata()
        method = "none"
        if self._client_secret is not None:
            is_basic = "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
            method = "client_secret_basic" if is_basic else "client_secret_post"
        known = (self._client_id, self._client_secret or "")
        if method == "client_secret_basic":
            known = (quote_plus(known[0]), quote_plus(known[1]))  # RFC 6749, 2.3.1
        try:
            with self._http() as http:
                token: dict[str, Any] = self._client(http, redirect_uri).fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    auth=ClientAuth(*known, method),
                )
        except OAuth2Error as exc:
            raise ProviderRefusedError(f"token endpoint: {shown_code(exc.error)}") from None
        except (httpx.HTTPError, ValueError) as exc:
            raise ProviderAwayError(f"token endpoint: {type(exc).__name__}") from None
        return token

    def userinfo(self, address: str, access_token: str) -> Mapping[str, Any]:
        """What it tells of the person beside the ID token.

        Raises:
            ProviderAwayError: there is no answer that makes sense.
        """
        found = self._fetched(address, {"authorization": f"Bearer {access_token}"})
        return found if isinstance(found, dict) else {}

    def _client(self, http: httpx.Client | None, redirect_uri: str) -> OAuth2Client:
        return OAuth2Client(
            session=_Session(http),
            client_id=self._client_id,
            scope=self._scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    @contextmanager
    def _http(self) -> Iterator[httpx.Client]:
        # No redirects: what is asked carries secrets.
        with httpx.Client(transport=self._transport, timeout=_TIMEOUT_S) as http:
            yield http

    def _kept_or(self, what: str, fetch: Callable[[], Any]) -> Any:
        kept_s, found = self._kept.get(what, (0.0, None))
        if found is None or monotonic() - kept_s > _KEPT_S:
            found = fetch()
            self._kept[what] = (monotonic(), found)
        return found

    def _fetched(self, address: str, headers: Mapping[str, str] | None = None) -> Any:
        try:
            with self._http() as http, http.stream("GET", address, headers=headers) as answer:
                answer.raise_for_status()
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > _MAX_BYTES:
                        raise ProviderAwayError("too long an answer")
            return httpx.Response(200, content=data).json()
        except (httpx.HTTPError, ValueError) as exc:
            raise ProviderAwayError(type(exc).__name__) from None


class _Session:
    """How Authlib posts: by the httpx that everything here uses, not by whichever it finds."""

    def __init__(self, http: httpx.Client | None) -> None:
        self._http = http

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth
    ) -> httpx.Response:
        """Post a form as a client of the provider."""
        if self._http is None:
            raise AssertionError("only made to write addresses")
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._http.post(url, content=body, headers=sent)


def is_safe_address(address: str) -> bool:
    """Whether nobody between can read or change what goes there."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )


def shown_code(code: object) -> str:
    """An error's code of OAuth as it may be logged: its text could be anything."""
    text = str(code)
    return text if text.isascii() and text.replace("_", "").isalpha() and len(text) < 40 else "?"
