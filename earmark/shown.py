"""What may be shown of settings: names and addresses, never secrets or identities."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import AliasChoices

from earmark.settings import SETTINGS_FILE, Settings


def variable_of(name: str) -> str:
    """The environment variable of a setting.

    >>> variable_of("max_rooms"), variable_of("livekit_url")
    ('EARMARK_MAX_ROOMS', 'LIVEKIT_URL')
    """
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"EARMARK_{name.upper()}"


def shown_address(url: str) -> str:
    """An address without what may be secret in it: user, password, query, and a web page's path.

    >>> shown_address("postgresql://user:hush@db:5432/calls?sslpassword=hush")
    'postgresql://db:5432/calls'
    >>> shown_address("https://hooks.example/services/hush")
    'https://hooks.example'
    """
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "malformed"
    if not parts.scheme:
        return url  # a folder
    path = "" if parts.scheme in {"http", "https", "ws", "wss"} else parts.path
    return f"{parts.scheme}://{host}{path}"


def shown_value(name: str, value: object) -> str:
    """What may be shown of a setting's value; of what is not known to be harmless, only whether."""
    match value:
        case None | ():
            return "unset"
        case bool() | int() | Path() | StrEnum():
            return str(value)
        case tuple() if all(isinstance(each, Path) for each in value):
            return os.pathsep.join(map(str, value))
        case tuple():
            return f"{len(value)} set"  # identities are personal data
        case str() if name.endswith("_url"):
            return shown_address(value)
        case _:
            return "set"


def source_of(name: str, settings: Settings) -> str:
    """Where a setting's value comes from."""
    if variable_of(name).upper() in {variable.upper() for variable in os.environ}:
        return "environment"
    return SETTINGS_FILE.name if name in settings.model_fields_set else "default"
