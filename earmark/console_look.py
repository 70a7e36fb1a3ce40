"""How `earmark doctor` finds the way into the review console."""

from __future__ import annotations

from earmark.look import Look, State
from earmark.settings import Settings
from earmark.shown import shown_address


def look_at_console(settings: Settings) -> Look:
    """Who signs people in, and whether that provider answers."""
    issuer = settings.console_oidc_issuer
    if issuer is None:
        return Look(
            state=State.DEFAULT,
            uses="one-time links, on loopback",
            mend="for more than this machine, set EARMARK_CONSOLE_OIDC_ISSUER; see docs/console.md",
        )
    from console.oidc_provider import Provider, ProviderAwayError

    where = f"OpenID Provider at {shown_address(issuer)}"
    provider = Provider(
        issuer,
        client_id=settings.console_oidc_client_id or "",
        client_secret=None,
        scopes=settings.console_oidc_scopes,
        transport=None,
    )
    try:
        provider.metadata()
        provider.keys(is_fresh=True)
    except ProviderAwayError as exc:
        return Look(
            state=State.BROKEN,
            uses=f"{where}, which does not answer as it should",
            mend=f"see that EARMARK_CONSOLE_OIDC_ISSUER is its address to the letter ({exc})",
        )
    n_groups = len({each.rpartition("=")[0] for each in settings.console_oidc_roles})
    return Look(state=State.OK, uses=f"{where}; it answers; {n_groups} groups have roles")
