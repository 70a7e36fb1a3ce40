"""A real OpenID Provider on loopback: the certified `oidc-provider`, with a few people."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcServer:
    """Where it is, and its clients.

    Signing in takes a name and any password. `ana` is in the groups staff and qa-leads, `bo` in
    staff, qa-reviewers and rule-people, `cy` in staff alone, everybody else in none.
    """

    issuer: str
    client_id: str = "earmark"
    client_secret: str = "earmark-secret-of-the-tests"


@contextmanager
def running_oidc_provider(program: Path, *, id_token_claims: bool = False) -> Iterator[OidcServer]:
    """Start it; it ends with the block, and with this process.

    Args:
        program: What `scripts/tools.py` found or made.
        id_token_claims: Whether names and groups stand in the ID token; else userinfo has them.
    """
    node = shutil.which("node")
    assert node is not None
    process = subprocess.Popen(
        [node, str(program), json.dumps({"idTokenClaims": id_token_claims})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it warns that it is not set up for the world
        text=True,
    )
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http"), "the OpenID Provider did not start"
        yield OidcServer(issuer=issuer)
    finally:
        process.terminate()
        process.wait(timeout=_STOP_TIMEOUT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
