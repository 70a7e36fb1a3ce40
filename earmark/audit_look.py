"""Looks at the audit as a nightly job: its workers, and the nights that it was run."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec

from earmark.cores import available_cores
from earmark.look import Look, State
from earmark.settings import Settings

_MAX_NAMED = 5


def look_at_executor(settings: Settings) -> Look:
    """Who would audit many calls."""
    n_cores = available_cores()
    cores = "1 processor core" if n_cores == 1 else f"{n_cores} processor cores"
    ray = "Ray is installed" if find_spec("ray") else "Ray (extra `scale`) is not installed"
    return Look(
        state=State.DEFAULT,
        uses=f"processes of this machine, {cores}; {ray}, and `--engine ray --address` takes it",
    )


def look_at_nights(settings: Settings) -> Look:
    """Whether every night was audited since the first one was."""
    from storage.database import open_database, schema_status
    from storage.nights import GRACE, latest_night, missing_days

    _, schema = schema_status(settings.resolved_database_url)
    if not schema.is_current:  # told of under `database`
        return Look(state=State.DEFAULT, uses="not known, because the database has no schema yet")
    database = open_database(settings.resolved_database_url)
    try:
        with database.begin(read_only=True) as connection:
            latest = latest_night(connection)
            missing = missing_days(connection, now=datetime.now(UTC), grace=GRACE)
    finally:
        database.close()
    if latest is None:
        return Look(
            state=State.DEFAULT,
            uses="no day was audited yet",
            mend="have a timer run `earmark audit --nightly`; infra/ has one for systemd and one "
            "for Kubernetes",
        )
    uses = f"latest run over {latest.day.isoformat()}: {latest.outcome.value}"
    if not missing:
        return Look(state=State.OK, uses=f"{uses}; no night is missing")
    named = ", ".join(day.isoformat() for day in missing[-_MAX_NAMED:])
    n_more = len(missing) - _MAX_NAMED
    more = f" and {n_more} before them" if n_more > 0 else ""
    return Look(
        state=State.OK,
        uses=f"{uses}; {len(missing)} nights are missing",
        mend=f"missing: {named}{more}; `earmark audit --nightly` catches up with the last week, "
        "`earmark audit --date DAY` does one",
    )
