"""`earmark console`: it starts on the embedded defaults, and only where links are safe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.earmark.command import ROOT, InProcess


def test_it_starts_and_its_link_signs_in(tmp_path: Path) -> None:
    """The printed link works once; a second link, made beside it, signs a second person in."""
    environment = {"PATH": os.environ["PATH"], "EARMARK_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", "console", "--no-open", "--port", "0", "--name", "ana"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        link = process.stdout.readline().strip()
        base = link.split("/sign-in", maxsplit=1)[0]
        with httpx.Client(follow_redirects=False) as client:
            assert client.get(link).status_code == 303
            assert "ana" in client.get(f"{base}/sessions").text
        assert httpx.get(link).status_code == 401
        port = base.rsplit(":", maxsplit=1)[1]
        done = subprocess.run(
            [
                sys.executable, "-m", "earmark", "console", "link", "--name", "bo",
                "--role", "admin", "--port", port, "--json",
            ],
            capture_output=True, text=True, check=True, env=environment, cwd=ROOT,
        )  # fmt: skip
        with httpx.Client(follow_redirects=False) as client:
            assert client.get(json.loads(done.stdout)["url"]).status_code == 303
            assert "bo" in client.get(f"{base}/sessions").text
    finally:
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert "token" not in log.replace(link, "")
    assert "Traceback" not in log
    # Who signed in is in the trail, and where it stood at the end is signed and stored.
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "trail", "verify", "--json"],
        capture_output=True, text=True, check=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["n_entries"], found["anchored_seq"], found["n_heads"]) == (2, 2, 1)


OIDC = {
    "EARMARK_CONSOLE_OIDC_ISSUER": "https://id.example.com",
    "EARMARK_CONSOLE_OIDC_CLIENT_ID": "earmark",
    "EARMARK_CONSOLE_OIDC_ROLES": "qa=reviewer,qa-leads=lead",
}


def test_with_an_identity_provider_there_are_no_links(tmp_path: Path) -> None:
    """Nothing that signs in is printed, whether the provider can be reached or not."""
    environment = {
        "PATH": os.environ["PATH"], "EARMARK_DATA_DIR": str(tmp_path), **OIDC,
        "EARMARK_CONSOLE_OIDC_ISSUER": "http://127.0.0.1:1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", "console", "--no-open", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        base = process.stderr.readline().strip().removeprefix("Console: ").rstrip("/")
        page = httpx.get(f"{base}/sign-in")
        assert 'href="/sign-in/oidc"' in page.text
        assert httpx.get(f"{base}/sign-in/oidc").status_code == 503
        assert httpx.get(f"{base}/sign-in/link", params={"token": "x"}).status_code == 404
    finally:
        process.send_signal(signal.SIGINT)
        out, log = process.communicate(timeout=30)
    assert out == ""
    assert "Traceback" not in log


def test_no_link_beside_an_identity_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says why it makes none."""
    run = InProcess(subcommand="console", monkeypatch=monkeypatch, capsys=capsys)
    code, out, err = run("link", EARMARK_DATA_DIR=str(tmp_path), **OIDC)
    assert (code, out) == (2, "")
    assert "this console signs in by OIDC" in err


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        pytest.param(
            ["--host", "0.0.0.0"], {},  # noqa: S104 - what must not work
            "--host 0.0.0.0: one-time links are for loopback only", id="any-address",
        ),
        pytest.param(
            ["--host", "::"], {}, "--host ::: one-time links are for loopback only", id="any-v6"
        ),
        pytest.param(
            [], {"EARMARK_CONSOLE_URL": "https://earmark.example.com"},
            "console_url: one-time links are for loopback only", id="public-name",
        ),
        pytest.param(
            [], {"EARMARK_CONSOLE_URL": "https://earmark.example.com/console"},
            "must be scheme and host only", id="path-in-address",
        ),
        pytest.param(
            [], OIDC | {"EARMARK_CONSOLE_OIDC_ISSUER": "http://id.example.com"},
            "console_oidc_issuer: Value error, must be an https address", id="provider-without-tls",
        ),
        pytest.param(
            [], OIDC | {"EARMARK_CONSOLE_OIDC_CLIENT_ID": ""},
            "set console_oidc_client_id, too", id="no-client",
        ),
        pytest.param(
            [], OIDC | {"EARMARK_CONSOLE_OIDC_ROLES": ""},
            "say with console_oidc_roles which groups get in", id="no-groups",
        ),
        pytest.param(
            [], OIDC | {"EARMARK_CONSOLE_OIDC_ROLES": "qa=boss"},
            "must be GROUP=ROLE with a role of reviewer, lead", id="no-such-role",
        ),
        pytest.param(
            ["--host", "0.0.0.0"], OIDC,  # noqa: S104 - what must not work
            "is not protected on its way", id="no-tls-before-it",
        ),
        pytest.param(["--name", "a\nb"], {}, "--name: must be a name", id="odd-name"),
    ],
)  # fmt: skip
def test_it_does_not_start_where_it_should_not(
    arguments: list[str], environment: dict[str, str], sentence: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One sentence, exit code 2."""
    run = InProcess(subcommand="console", monkeypatch=monkeypatch, capsys=capsys)
    code, out, err = run(
        "--no-open", "--port", "0", *arguments, EARMARK_DATA_DIR=str(tmp_path), **environment
    )
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
