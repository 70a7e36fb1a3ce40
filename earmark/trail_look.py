"""How `earmark doctor` finds the audit trail: who signs it, and how far it is anchored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from earmark.look import Look, State
from earmark.settings import Settings
from earmark.trail_wiring import own_key_path

if TYPE_CHECKING:
    from storage.trail_anchor import AnchorState


def look_at_trail(settings: Settings) -> Look:
    """The key that signs heads, and what is not anchored. Nothing is made.

    Raises:
        StorageError: the key cannot be read, or the database cannot be reached.
    """
    from storage.signing_keys import fingerprint, load_public_key

    own = own_key_path(settings)
    path = settings.trail_key_file or own
    state = _state(settings)
    if path is None:
        return Look(
            state=State.DEFAULT,
            uses=f"{_shown(state)}; no key, so nothing is anchored",
            mend="`earmark trail key --out FILE` makes one; set EARMARK_TRAIL_KEY_FILE",
        )
    if settings.trail_key_file is None and not path.exists():
        signed = f"a key would be made in {path.parent.absolute()}"
    else:
        signed = f"signed by the key {fingerprint(load_public_key(path))[:16]}"
    late = _late(state, timedelta(minutes=3 * settings.trail_anchor_minutes))
    if settings.trail_key_file is None:
        weak = (
            "whoever can write the data folder can sign, too: keep the key elsewhere and set "
            "EARMARK_TRAIL_KEY_FILE"
        )
        return Look(state=State.DEFAULT, uses=f"{_shown(state)}; {signed}", mend=late or weak)
    return Look(state=State.OK, uses=f"{_shown(state)}; {signed}", mend=late)


def _state(settings: Settings) -> AnchorState | None:
    from storage.database import open_database, schema_status
    from storage.trail_anchor import anchor_state

    url = settings.resolved_database_url
    if not schema_status(url)[1].is_current:
        return None  # opening it would bring it up to date
    database = open_database(url)
    try:
        with database.begin(read_only=True) as connection:
            return anchor_state(connection)
    finally:
        database.close()


def _shown(state: AnchorState | None) -> str:
    if state is None or state.chain is None:
        return "no entry yet"
    shown = f"{state.chain.last_seq} entries, anchored up to {state.anchored_seq}"
    return shown + (f" ({state.n_waiting} heads wait to be stored)" if state.n_waiting else "")


def _late(state: AnchorState | None, after: timedelta) -> str:
    """What to do where entries are not anchored for far too long; "" = nothing."""
    if state is None or state.waits_since is None:
        return ""
    if datetime.now(UTC) - state.waits_since <= after:
        return ""
    return (
        f"entries since {state.waits_since:%Y-%m-%d %H:%M} are not anchored: see that "
        "`earmark console` runs, or run `earmark trail anchor`"
    )
