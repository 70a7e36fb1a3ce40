"""Sign-in by OpenID Connect: authorization code with PKCE, state and nonce.

One random value, which only the browser that began keeps, is what state, nonce and code verifier
are made of. So an answer of the provider counts in that browser alone, and nothing has to be stored
here in between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from console.access import Role
from console.oidc_provider import (
    Provider,
    ProviderAwayError,
    ProviderRefusedError,
    shown_code,
)
from console.oidc_tokens import TokenError, checked_claims

FLOW_TIME_S = 600
_MAX_NAME_CHARS = 80
_MAX_SUBJECT_CHARS = 180


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
        self._provider = Provider(
            options.issuer,
            client_id=options.client_id,
            client_secret=options.client_secret,
            scopes=options.scopes,
            transport=transport,
        )

    def start(self, flow: str, *, redirect_uri: str) -> str:
        """The address at the provider to send a browser to.

        Raises:
            OidcError: the provider cannot be reached, or is not what it should be.
        """
        with _told():
            return self._provider.address(
                redirect_uri=redirect_uri,
                state=_derived(flow, "state"),
                nonce=_derived(flow, "nonce"),
                verifier=_derived(flow, "verifier"),
            )

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
        with _told():
            metadata = self._provider.metadata()
            # RFC 9207: an answer of another provider must not be taken for this one's.
            issuer = answer.get("iss")
            if issuer != metadata.issuer and (
                issuer is not None or metadata.authorization_response_iss_parameter_supported
            ):
                raise ProviderRefusedError("iss")
            if "error" in answer or not answer.get("code"):
                raise OidcError(
                    403, "The identity provider did not let you in. Try again, or ask whoever "
                    "runs it.",
                    code=f"provider: {shown_code(answer.get('error', 'none'))}",
                )  # fmt: skip
            token = self._provider.exchanged(
                answer["code"], redirect_uri=redirect_uri, verifier=_derived(flow, "verifier")
            )
            claims = self._claims(token, nonce=_derived(flow, "nonce"), now=now)
            claim = self._options.groups_claim
            access_token = token.get("access_token")
            if claim not in claims and metadata.userinfo_endpoint and access_token:
                more = self._provider.userinfo(metadata.userinfo_endpoint, access_token)
                if more.get("sub") != claims["sub"]:
                    raise ProviderRefusedError("userinfo: another person")
                claims = {**more, **claims}  # what is signed wins
        return self._identity(claims)

    def end_address(self, *, back: str) -> str | None:
        """Where a person signs out of the provider, too; None = it has no such place, or is away.

        Args:
            back: Where it shall lead afterwards.
        """
        try:
            address = self._provider.metadata().end_session_endpoint
        except ProviderAwayError:
            return None
        if address is None:
            return None
        query = {"client_id": self._options.client_id, "post_logout_redirect_uri": back}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def _claims(self, token: Mapping[str, Any], *, nonce: str, now: datetime) -> Mapping[str, Any]:
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderRefusedError("ID token: none")
        for is_fresh in (False, True):
            try:
                return checked_claims(
                    id_token,
                    self._provider.keys(is_fresh=is_fresh),
                    issuer=self._options.issuer,
                    client_id=self._options.client_id,
                    nonce=nonce,
                    now=now,
                )
            except TokenError as exc:
                raise ProviderRefusedError(f"ID token: {exc}") from None
            except KeyError:
                continue  # the provider may sign with a new key
        raise ProviderRefusedError("ID token: unknown key")

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        groups = set(_groups(claims.get(self._options.groups_claim)))
        roles = frozenset(role for group, role in self._options.roles if group in groups)
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


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the provider did into what the person is told."""
    try:
        yield
    except ProviderAwayError as exc:
        raise OidcError(
            503, "The identity provider cannot be reached, or does not answer as it should. "
            "Nothing is wrong with your account; try again later.",
            code=str(exc),
        ) from None  # fmt: skip
    except ProviderRefusedError as exc:
        raise _refused(str(exc)) from None


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


def _refused(code: str) -> OidcError:
    return OidcError(
        403, "What the identity provider sent could not be believed, so nobody was signed in. "
        "Begin anew; if it comes again, tell whoever runs the console.",
        code=code,
    )  # fmt: skip
