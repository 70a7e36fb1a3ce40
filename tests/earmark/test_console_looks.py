"""What `earmark doctor` says of the console: its way in, and its trail."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.console_look import look_at_console
from earmark.look import Look, State
from earmark.settings import load_settings
from earmark.trail_look import look_at_trail
from storage.database import open_database
from storage.errors import DatabaseUnavailableError, SigningKeyError
from storage.signing_keys import make_key
from tests.servers.oidc import OidcServer
from tests.servers.ports import free_port
from tests.storage.trails import fill


def test_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says who signs, how far the trail is anchored, and what is late; it makes no key."""
    monkeypatch.chdir(tmp_path)
    look = look_at_trail(load_settings())
    assert look.state is State.DEFAULT
    assert look.uses.startswith("no entry yet; a key would be made in ")
    assert list(tmp_path.iterdir()) == []
    key, data = tmp_path / "key.pem", tmp_path / "data"
    make_key(key)
    monkeypatch.setenv("EARMARK_DATA_DIR", str(data))
    monkeypatch.setenv("EARMARK_TRAIL_KEY_FILE", str(key))
    database = open_database(f"sqlite:///{data / 'earmark.db'}")
    fill(database, 3)
    database.close()
    look = look_at_trail(load_settings())
    assert look.state is State.OK
    assert look.uses.startswith("3 entries, anchored up to 0; signed by the key ")
    assert look.mend.startswith("entries since 2026-03-01 12:00 are not anchored")
    key.write_text("no key")
    with pytest.raises(SigningKeyError, match="is no public key in PEM form"):
        look_at_trail(load_settings())


def test_trail_of_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A database that cannot be reached is told of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnavailableError):
        look_at_trail(load_settings())


def test_console(oidc_server: OidcServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says who signs people in, and whether that one answers to the letter."""
    monkeypatch.chdir(tmp_path)
    assert look_at_console(load_settings()).state is State.DEFAULT
    monkeypatch.setenv("EARMARK_CONSOLE_OIDC_CLIENT_ID", oidc_server.client_id)
    monkeypatch.setenv("EARMARK_CONSOLE_OIDC_ROLES", "qa=reviewer,qa=lead,it=admin")

    def look(issuer: str) -> Look:
        monkeypatch.setenv("EARMARK_CONSOLE_OIDC_ISSUER", issuer)
        return look_at_console(load_settings())

    assert look(oidc_server.issuer).state is State.OK
    assert look(oidc_server.issuer).uses.endswith("it answers; 2 groups have roles")
    for issuer, why in (
        (f"{oidc_server.issuer}/", "discovery: another issuer"),
        (f"http://127.0.0.1:{free_port()}", "ConnectError"),
    ):
        found = look(issuer)
        assert found.state is State.BROKEN
        assert why in found.mend
