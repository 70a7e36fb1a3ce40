"""Write docs/settings.md from the fields of the settings.

Usage:
  python scripts/settings_table.py           write the page
  python scripts/settings_table.py --check   exit with 1 if the page is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from earmark.settings import Settings
from earmark.shown import variable_of

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

_INTRODUCTION = """\
# Settings

<!-- Written by `python scripts/settings_table.py`. Change `earmark/settings.py` instead. -->

Every setting is an environment variable. It can also stand in `earmark.toml` in the working
directory, by the name in the last column; where both are set, the variable wins. A name that is not
in this table is refused, so a typing error cannot pass for a setting.

`earmark doctor --settings` shows what is in force; of secrets it only tells whether they are set.
"""

_EXAMPLE = """\
## Example of `earmark.toml`

```toml
rules = "rules/book:my-rules"
supervisors = "sue,sam"
max_rooms = 8
```

Keep secrets out of this file: give them as environment variables, from where your platform keeps
secrets.

## Accounts of other services

S3 credentials are not settings of Earmark. They come from where boto3 looks for them:
`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, shared files, or the machine's role.

## Making a secret

```sh
echo "whsec_$(openssl rand -base64 24)"
```
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{variable_of(name)}` | {_cell(field.description or '')} | {_default(name, field)} | "
        f"`{name}` |"
        for name, field in Settings.model_fields.items()
    ]
    header = ["| variable | what it is | default | in `earmark.toml` |", "|---|---|---|---|"]
    return "\n".join([_INTRODUCTION, *header, *rows, "", _EXAMPLE])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _default(name: str, field: FieldInfo) -> str:
    if name == "models_dir":
        return "`earmark/models` in the user's cache folder"  # differs between machines
    if field.annotation in {SecretStr, SecretStr | None}:
        return "unset; secret"
    value = field.get_default(call_default_factory=True)
    if value is None or value == ():
        return "unset"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main(arguments: list[str]) -> int:
    """Run the command line; see the top of this file."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"wrote {PAGE}")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE} is out of date; run `python scripts/settings_table.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
