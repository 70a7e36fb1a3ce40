"""Keeps what is sent out from reaching into one's own network: a guard against SSRF.

Whoever may set an alert target could otherwise let Earmark post to a database, a router or a
cloud's metadata service behind the firewall. So a host is resolved here, every address that it has
is checked, and the connection goes to a checked address and to no other: a name that is resolved
anew in between (DNS rebinding) gains nothing. Spellings do not matter, since addresses are checked
and not text: http://2130706433 and http://0x7f.1 are both 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from ssl import SSLContext

import httpx

from realtime.errors import TargetRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Gives the addresses of a host for a port, as text. Raises OSError where it has none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

# A host with more addresses than these is tried at no more of them.
_MAX_TRIED = 4
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")

# Own networks: reached where the settings name the host.
_PRIVATE = tuple(
    map(
        ip_network,
        # RFC 1918, RFC 6598 (shared by carriers), loopback, RFC 4193 (unique local)
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128",
         "fc00::/7"),
    )
)  # fmt: skip
# Metadata services of clouds that lie in such networks, or on a public address.
_METADATA = tuple(
    map(ip_network, ("168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::254/128"))
)
# The rest of what IANA keeps for special purposes (registries of RFC 6890, as of 2026): this
# network, link-local with the metadata services, protocol assignments, documentation, 6to4 relays,
# benchmarks, multicast, reserved; Teredo, ORCHID, documentation, 6to4.
_SPECIAL = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
         "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
         "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)  # fmt: skip
_IPV6_PUBLIC = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be reached although it is in one's own network.

    A named host may have private and loopback addresses; a network is reached as it stands.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Allowed:
        """Read host names, addresses and networks in CIDR notation.

        Raises:
            ValueError: an entry is none of these.
        """
        hosts: set[str] = set()
        networks: list[Network] = []
        for entry in entries:
            text = entry.strip().lower()
            try:
                networks.append(ip_network(text, strict=False))
            except ValueError:
                # A name ends in letters; digits at the end are a mistyped address.
                if not _HOST_NAME.fullmatch(text) or text.rstrip(".")[-1].isdigit():
                    raise ValueError(
                        f"{entry!r} is neither a host name, an address nor a network like "
                        "10.1.0.0/16"
                    ) from None
                hosts.add(text.rstrip("."))
        return cls(hosts=frozenset(hosts), networks=tuple(networks))

    def covers(self, address: Address) -> bool:
        """Whether a network that was named holds this address."""
        return any(address.version == each.version and address in each for each in self.networks)


class Guard:
    """Says which addresses of a host may be reached.

    Args:
        allowed: Exceptions, by the settings.
        resolve: Gives a host's addresses.
    """

    def __init__(self, allowed: Allowed | None = None, *, resolve: Resolver | None = None) -> None:
        self._allowed = allowed or Allowed()
        self._resolve = resolve or resolve_host

    async def addresses(self, scheme: str, host: str, port: int) -> tuple[str, ...]:
        """Resolve a host and check all that it has.

        Args:
            scheme: "https"; "http" only for what the settings allow.
            host: A name or an address, without brackets.
            port: Of the connection.

        Returns:
            The addresses to connect to, at least one.

        Raises:
            TargetRefusedError: one of them may not be reached, or the scheme may not be used.
            OSError: the name has no address.
        """
        found = await self._resolve(host, port)
        if not found:
            raise OSError("the name has no address")
        is_named = host.lower().rstrip(".") in self._allowed.hosts
        parsed = [_parsed(text) for text in found]
        for address in parsed:
            reason = self._refusal(address, is_named=is_named)
            if reason is not None:
                raise TargetRefusedError(
                    f"{host} leads to {reason}; if it should be reached, add it to "
                    "allow_private_targets"
                )
        if scheme != "https" and not (is_named or all(map(self._allowed.covers, parsed))):
            raise TargetRefusedError(
                f"{host} is addressed without TLS; use https, or add it to allow_private_targets"
            )
        return tuple(dict.fromkeys(found))[:_MAX_TRIED]

    async def check(self, url: str) -> None:
        """See that something may be sent to an address of the web; nothing is sent.

        Raises:
            TargetRefusedError: it may not.
            OSError: the name has no address.
        """
        parsed = httpx.URL(url)
        await self.addresses(parsed.scheme, parsed.host, _port_of(parsed))

    def _refusal(self, address: Address, *, is_named: bool) -> str | None:
        """What is wrong with an address; None if it may be reached."""
        if self._allowed.covers(address):
            return None
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                return self._refusal(address.ipv4_mapped, is_named=is_named)
            if address in _NAT64:  # by which networks without IPv4 reach all of it
                return self._refusal(IPv4Address(address.packed[-4:]), is_named=is_named)
            if address.scope_id is not None:
                return "an address of one link"
        if _is_in(address, _METADATA):
            return "a cloud's metadata service"
        if _is_in(address, _PRIVATE):
            return None if is_named else "a private address"
        is_public = (
            not _is_in(address, _SPECIAL)
            and (address.version == 4 or address in _IPV6_PUBLIC)
            and address.is_global
        )
        return None if is_public else "an address that is not on the public internet"


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests of an `httpx.AsyncClient` to checked addresses only.

    The Host header and the name in TLS stay the host's. Each request is resolved and checked anew,
    so no connection outlives what it was checked for. Redirects are the client's business: leave
    `follow_redirects` off, or each step is checked like a first one.

    Args:
        guard: Checks the addresses.
        verify: Certificates to trust; True = those of `certifi`.
    """

    def __init__(self, guard: Guard, *, verify: SSLContext | bool = True) -> None:
        self._guard = guard
        self._inner = httpx.AsyncHTTPTransport(
            verify=verify, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            TargetRefusedError: it may not be sent there.
            httpx.ConnectError: no address of the host could be reached.
        """
        host = request.url.host
        port = _port_of(request.url)
        try:
            addresses = await self._guard.addresses(request.url.scheme, host, port)
        except OSError:
            raise httpx.ConnectError("the name has no address", request=request) from None
        for n, address in enumerate(addresses, start=1):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if n == len(addresses):
                    raise
        raise AssertionError("a guard gives at least one address")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def needs_no_lookup(host: str) -> bool:
    """Whether a host is this machine or an address, in any spelling, rather than a name."""
    last = host.rstrip(".").rpartition(".")[2]
    return host == "localhost" or ":" in host or last[:1].isdigit()


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver gives.

    Raises:
        OSError: it gives none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long, or empty
        raise OSError("the name is malformed") from None
    return [str(socket_address[0]) for *_, socket_address in found]


def _port_of(url: httpx.URL) -> int:
    return url.port or (80 if url.scheme == "http" else 443)


def _parsed(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise TargetRefusedError("the resolver gave something that is no address") from None


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == each.version and address in each for each in networks)
