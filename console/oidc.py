"""Sign-in by OpenID Connect: authorization code with PKCE, state and nonce.

One random value, which only the browser that began keeps, is what state, nonce and code verifier
are made of. So an answer of the provider counts in that browser alone, and nothing has to be stored
here in between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, ValidationError

from console.access import Role
from console.oidc_tokens import TokenError, checked_claims

logger = logging.getLogger("console")

FLOW_TIME_S = 600
_TIMEOUT_S = 5.0
_KEPT_S = 3600.0  # addresses and keys of the provider
_MAX_BYTES = 1 << 20
_MAX_NAME_CHARS = 80
_MAX_SUBJECT_CHARS = 180
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcError(Exception):
    """A sign-in that did not come about.

    Attributes:
        status: For the answer.
        sentence: For the person.
        code: For the log; names no person.
    """

    def __init__(self, status: int, sentence: str, *, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.sentence = sentence
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcOptions:
    """The provider, who we are to it, and what its groups mean here.

    Attributes:
        issuer: Its address, as it writes it itself.
        client_id: Ours.
        client_secret: Ours; None = a public client, held by PKCE alone.
        groups_claim: Claim that lists a person's groups.
        roles: Group and role; a group may stand several times.
        scopes: What is asked for, separated by spaces.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    groups_claim: str = "groups"
    roles: tuple[tuple[str, Role], ...]
    scopes: str = "openid profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the provider says it is."""

    subject: str = field(repr=False)
    name: str = field(repr=False)
    roles: frozenset[Role]

    @property
    def person_id(self) -> str:
        """What stands in verdicts and in the trail."""
        return f"oidc:{self.subject}"


class _Metadata(BaseModel):
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


def new_flow() -> str:
    """The value that a browser keeps while it is at the provider."""
    return secrets.token_urlsafe(32)


class Oidc:
    """Our side of sign-ins with one provider. Safe to use from several threads.

    Args:
        options: The provider.
        transport: How it is reached; None = as httpx does.
    """

    def __init__(
        self, options: OidcOptions, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._options = options
        self._transport = transport
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def start(self, flow: str, *, redirect_uri: str) -> str:
        """The address at the provider to send a browser to.

        Raises:
            OidcError: the provider cannot be reached, or is not what it should be.
        """
        metadata = self._metadata()
        with self._client(metadata, redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=_derived(flow, "state"),
                nonce=_derived(flow, "nonce"),
                code_verifier=_derived(flow, "verifier"),
            )
        return str(address)

    def finish(
        self, flow: str, answer: Mapping[str, str], *, redirect_uri: str, now: datetime
    ) -> Identity:
        """Who came back from the provider.

        Args:
            flow: What the browser kept; "" = nothing.
            answer: The query that the provider sent the browser back with.
            redirect_uri: As it was given to `start`.
            now: UTC.

        Raises:
            OidcError: anything about it is not as it should be, or no group means a role.
        """
        state = answer.get("state", "")
        if not flow or not hmac.compare_digest(state.encode(), _derived(flow, "state").encode()):
            raise OidcError(
                400, "This sign-in was not begun in this browser, or took too long. Begin anew.",
                code="state",
            )  # fmt: skip
        metadata = self._metadata()
        # RFC 9207: an answer of another provider must not be taken for this one's.
        given_issuer = answer.get("iss")
        if given_issuer != metadata.issuer and (
            given_issuer is not None or metadata.authorization_response_iss_parameter_supported
        ):
            raise _refused("iss")
        if "error" in answer or not answer.get("code"):
            code = answer.get("error", "no code")
            known = code if code.replace("_", "").isalpha() and len(code) < 40 else "other"
            raise OidcError(
                403, "The identity provider did not let you in. Try again, or ask whoever runs it.",
                code=f"provider: {known}",
            )  # fmt: skip
        with self._client(metadata, redirect_uri) as client:
            token = self._exchanged(client, metadata, flow, answer["code"])
            claims = self._claims(metadata, token, flow, now)
            groups = _groups(claims.get(self._options.groups_claim))
            if not groups and metadata.userinfo_endpoint is not None:
                more = self._userinfo(client, metadata.userinfo_endpoint)
                if more.get("sub") != claims["sub"]:
                    raise _refused("userinfo")
                claims = {**more, **claims}
                groups = _groups(claims.get(self._options.groups_claim))
        return self._identity(claims, groups)

    def end_address(self, *, back: str) -> str | None:
        """Where a person signs out of the provider, too; None = it has no such place, or is away.

        Args:
            back: Where it shall lead afterwards.
        """
        try:
            address = self._metadata().end_session_endpoint
        except OidcError:
            return None
        if address is None:
            return None
        query = {"client_id": self._options.client_id, "post_logout_redirect_uri": back}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def _identity(self, claims: Mapping[str, Any], groups: Iterable[str]) -> Identity:
        mine = set(groups)
        roles = frozenset(role for group, role in self._options.roles if group in mine)
        if not roles:
            raise OidcError(
                403, "You are known, but none of your groups has a role at this console. Ask "
                "whoever runs it to add you to one.",
                code="no role",
            )  # fmt: skip
        subject = claims["sub"]
        if not 0 < len(subject) <= _MAX_SUBJECT_CHARS or not subject.isprintable():
            raise _refused("sub")
        names = (claims.get(each) for each in ("name", "preferred_username", "email"))
        name = next((each for each in names if isinstance(each, str) and each.strip()), subject)
        shown = "".join(char for char in name if char.isprintable()).strip()
        return Identity(subject=subject, name=shown[:_MAX_NAME_CHARS] or subject, roles=roles)

    def _exchanged(
        self, client: OAuth2Client, metadata: _Metadata, flow: str, code: str
    ) -> Mapping[str, Any]:
        try:
            token: dict[str, Any] = client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=_derived(flow, "verifier"),
            )
        except OAuthError as exc:
            # A code that was used, is too old, or is another browser's.
            known = exc.error if str(exc.error).replace("_", "").isalpha() else "other"
            raise _refused(f"token endpoint: {known}") from None
        except (httpx.HTTPError, ValueError) as exc:
            raise _away(f"token endpoint: {type(exc).__name__}") from None
        return token

    def _claims(
        self, metadata: _Metadata, token: Mapping[str, Any], flow: str, now: datetime
    ) -> Mapping[str, Any]:
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise _refused("no ID token")
        for is_fresh in (False, True):
            try:
                return checked_claims(
                    id_token,
                    self._keys(metadata, is_fresh=is_fresh),
                    issuer=metadata.issuer,
                    client_id=self._options.client_id,
                    nonce=_derived(flow, "nonce"),
                    now=now,
                )
            except TokenError as exc:
                raise _refused(f"ID token: {exc}") from None
            except KeyError:
                continue  # the provider may sign with a new key
        raise _refused("ID token: unknown key")

    def _userinfo(self, client: OAuth2Client, address: str) -> Mapping[str, Any]:
        try:
            answer = client.get(address)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, OAuthError, ValueError) as exc:
            raise _away(f"userinfo: {type(exc).__name__}") from None
        return found if isinstance(found, dict) else {}

    def _metadata(self) -> _Metadata:
        def fetch() -> _Metadata:
            issuer = self._options.issuer
            address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = _Metadata.model_validate(self._fetched(address))
            except ValidationError:
                raise _away("discovery: malformed") from None
            if found.issuer != issuer:
                raise _away("discovery: another issuer")
            for each in (
                found.authorization_endpoint, found.token_endpoint, found.jwks_uri,
                found.userinfo_endpoint, found.end_session_endpoint,
            ):  # fmt: skip
                if each is not None and not is_safe_address(each):
                    raise _away("discovery: an address without TLS")
            return found

        found: _Metadata = self._kept_or("metadata", fetch)
        return found

    def _keys(self, metadata: _Metadata, *, is_fresh: bool) -> KeySet:
        def fetch() -> KeySet:
            try:
                return KeySet.import_key_set(self._fetched(metadata.jwks_uri))
            except (JoseError, KeyError, TypeError, ValueError):
                raise _away("keys: malformed") from None

        if is_fresh:
            self._kept.pop("keys", None)
        found: KeySet = self._kept_or("keys", fetch)
        return found

    def _kept_or(self, what: str, fetch: Callable[[], Any]) -> Any:
        with self._lock:
            kept_s, found = self._kept.get(what, (0.0, None))
            if found is None or monotonic() - kept_s > _KEPT_S:
                found = fetch()
                self._kept[what] = (monotonic(), found)
            return found

    def _fetched(self, address: str) -> Any:
        try:
            with (
                httpx.Client(transport=self._transport, timeout=_TIMEOUT_S) as client,
                client.stream("GET", address) as answer,
            ):
                answer.raise_for_status()
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > _MAX_BYTES:
                        raise _away("too long an answer")
            return httpx.Response(200, content=data).json()
        except (httpx.HTTPError, ValueError) as exc:
            raise _away(type(exc).__name__) from None

    def _client(self, metadata: _Metadata, redirect_uri: str) -> OAuth2Client:
        secret = self._options.client_secret
        supported = metadata.token_endpoint_auth_methods_supported
        method = "none"
        if secret is not None:
            is_basic = "client_secret_basic" in supported
            method = "client_secret_basic" if is_basic else "client_secret_post"
        return OAuth2Client(
            client_id=self._options.client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            scope=self._options.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self._transport,
            timeout=_TIMEOUT_S,
        )


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


def _derived(flow: str, purpose: str) -> str:
    """43 characters that tell nothing of the flow or of what is derived for other purposes."""
    digest = hmac.new(flow.encode(), purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _groups(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(each for each in value if isinstance(each, str))
    return ()


def _away(code: str) -> OidcError:
    return OidcError(
        503, "The identity provider cannot be reached, or does not answer as it should. Nothing is "
        "wrong with your account; try again later.",
        code=code,
    )  # fmt: skip


def _refused(code: str) -> OidcError:
    return OidcError(
        403, "What the identity provider sent could not be believed, so nobody was signed in. "
        "Begin anew; if it comes again, tell whoever runs the console.",
        code=code,
    )  # fmt: skip
