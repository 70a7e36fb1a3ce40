"""What is sent out reaches nothing in one's own network, however the address is written."""

from collections.abc import Sequence

import httpx
import pytest

from realtime.errors import TargetRefusedError
from realtime.guard import Allowed, Guard, GuardedTransport, needs_no_lookup
from tests.realtime.builders import SECRET
from tests.servers.webhooks import running_webhook_receiver


def guard_where(*addresses: str, allowed: Sequence[str] = ()) -> Guard:
    """A guard for which every name has these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return Guard(Allowed.parse(allowed), resolve=resolve)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fc00::1",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "ff02::1", "198.18.0.1", "240.0.0.1",  # noqa: S104
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "2001:db8::1", "::", "::7f00:1",
    ],
)  # fmt: skip
async def test_refused(address: str) -> None:
    """Private, local, special and metadata addresses are refused, IPv4 inside IPv6 too."""
    with pytest.raises(TargetRefusedError, match=r"receiver\.example leads to"):
        await guard_where(address).addresses("https", "receiver.example", 443)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::808:808"])
async def test_public(address: str) -> None:
    """Public addresses are reached."""
    assert await guard_where(address).addresses("https", "r.example", 443) == (address,)


async def test_one_bad_address_of_many() -> None:
    """A name that has a private address beside public ones is refused as a whole."""
    with pytest.raises(TargetRefusedError):
        await guard_where("93.184.215.14", "10.0.0.1").addresses("https", "r.example", 443)


@pytest.mark.parametrize(
    ("address", "allowed", "is_reached"),
    [
        ("10.1.2.3", "r.example", True),
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.1.2.3", "10.2.0.0/16", False),
        ("10.1.2.3", "other.example", False),
        ("169.254.169.254", "r.example", False),  # a name is no leave for metadata services
        ("169.254.169.254", "169.254.169.254", True),
    ],
)
async def test_allowed(address: str, allowed: str, is_reached: bool) -> None:
    """The settings name hosts, for private addresses, or networks, as they stand."""
    guard = guard_where(address, allowed=[allowed])
    if is_reached:
        assert await guard.addresses("http", "r.example", 80) == (address,)
    else:
        with pytest.raises(TargetRefusedError, match="allow_private_targets"):
            await guard.addresses("https", "r.example", 443)


async def test_without_tls() -> None:
    """What is public is reached with TLS only."""
    with pytest.raises(TargetRefusedError, match="without TLS"):
        await guard_where("93.184.215.14").addresses("http", "r.example", 80)


@pytest.mark.parametrize("entry", ["", "10.1.2", "http://host/", "a b", "1.2.3.4/99"])
def test_malformed_allowance(entry: str) -> None:
    """What is neither host nor network is refused, not ignored."""
    with pytest.raises(ValueError, match="neither a host name"):
        Allowed.parse([entry])


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "::1"])
async def test_spellings_of_this_machine(host: str) -> None:
    """Odd spellings of the loopback address are refused by the system's own resolver's answer."""
    assert needs_no_lookup(host)
    with pytest.raises(TargetRefusedError):
        await Guard().addresses("https", host, 443)


async def test_the_address_is_pinned() -> None:
    """The connection goes to the address that was checked; the name is not resolved again."""
    n_lookups = 0

    async def rebind(host: str, port: int) -> Sequence[str]:
        nonlocal n_lookups
        n_lookups += 1
        return ["127.0.0.1"] if n_lookups == 1 else ["10.255.255.1"]

    with running_webhook_receiver(SECRET) as receiver:
        port = httpx.URL(receiver.url).port
        guard = Guard(Allowed.parse(["127.0.0.1"]), resolve=rebind)
        async with httpx.AsyncClient(transport=GuardedTransport(guard)) as client:
            answer = await client.post(f"http://rebinding.invalid:{port}/", content=b"{}")
    assert (answer.status_code, n_lookups) == (204, 1)
    assert len(receiver.received) == 1
