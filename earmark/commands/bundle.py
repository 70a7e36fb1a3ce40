"""`earmark bundle`: the evidence of a call in one signed file."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from earmark.errors import BadInputError
from earmark.keeping_screen import KeepingScreen, opened, shown_bytes
from earmark.logs import setup_logging
from earmark.settings import load_settings
from earmark.wiring import RULES_OPTION, rule_source

_FAULTS = {
    "wrong_key": "was signed by another key than the one that was to sign it",
    "forged": "the signature does not fit the manifest: one of them was changed",
    "changed": "is not what was signed",
    "missing": "is not there any more",
    "added": "was added after signing",
    "unreadable": "cannot be read: it is damaged",
}


@click.group
def command() -> None:
    """Pack the evidence of a call, signed, and verify such a file."""


@command.command
@click.argument("call")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The ZIP file to make.")
@click.option(
    "--originals",
    is_flag=True,
    help="Pack the recordings, their manifests and a kept transcript as they are, too: unmasked.",
)
@click.option(
    "--put",
    is_flag=True,
    help="Put it into the object store as well, under bundles/, locked for lock_bundles_days.",
)
@click.option(
    "--signing-key",
    type=click.Path(path_type=Path),
    help="Private key, PEM. Default: the setting bundle_key_file.",
)
@RULES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON line.")
def make(
    call: str,
    out: Path,
    originals: bool,
    put: bool,
    signing_key: Path | None,
    rules: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Pack a call's evidence. CALL is its session id (RM_...).

    Inside are the report, every recording's hashes, what ran, the rules in force, holds and
    decisions, and redacted copies where there are any: all of it masked. The manifest names each
    entry with its SHA-256 and is signed with Ed25519.

    Exit code 0: made, and every recording is there. 1: made, and a recording is gone. 2: bad
    input. 3: a service is missing.

    \b
    Examples:
      earmark bundle key --out signing.pem
      EARMARK_BUNDLE_KEY_FILE=signing.pem earmark bundle make RM_yhXwkTxcnNPK --out case.zip
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from offline.bundle import Bundler
    from rules.loader import load_rulebook
    from storage.signing_keys import load_private_key

    key_file = signing_key or settings.bundle_key_file
    if key_file is None:
        raise BadInputError(
            "no key to sign with; make one with `earmark bundle key`, then set "
            "EARMARK_BUNDLE_KEY_FILE or give --signing-key"
        )
    key = load_private_key(key_file)
    source = rule_source(rules, settings)
    rulebook = None if source.is_published else load_rulebook(source.paths)
    screen = KeepingScreen()
    stored: str | None = None
    with opened(settings) as (database, store):
        bundler = Bundler(database, store, rulebook, key)
        now = datetime.now(UTC)
        with screen.busy("Packing"):
            made = bundler.make(call, out, now=now, originals=originals)
            if put:
                stored = f"bundles/{now.date().isoformat()}/{call}/{made.sha256[:16]}.zip"
                store.put_file(stored, out, content_type="application/zip")
    if as_json:
        line = {"type": "bundle", **asdict(made), "path": str(made.path), "object_key": stored}
        click.echo(json.dumps(line))
    else:
        click.echo(
            f"{out}: {made.n_entries} entries, {shown_bytes(made.size_bytes)}, sha256 {made.sha256}"
        )
        click.echo(f"Signed by the key with the fingerprint {made.key_fingerprint}.")
        if stored:
            click.echo(f"Put into the object store as {stored}.")
        if made.has_originals:
            click.echo("It holds originals: what was said, unmasked.")
        if not made.has_rules:
            click.echo("The rules in force now are not those of the audit, so they are not in it.")
        for each in made.missing:
            click.echo(f"gone: {each}")
    raise SystemExit(1 if made.missing else 0)


@command.command
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="Public key, PEM, that must have signed it. Default: that of bundle_key_file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def verify(file: Path, key_file: Path | None, as_json: bool) -> None:
    """See whether a bundle is as it was signed.

    Without a key from elsewhere, the one inside is taken: that shows that nothing was changed
    since signing, and not who signed. Compare the fingerprint then.

    Exit code 0: all is as signed. 1: something is not. 2: it is no bundle.

    \b
    Example:
      earmark bundle verify case.zip --key their-public-key.pem
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from offline.bundle_verify import verify as verify_bundle
    from storage.signing_keys import load_public_key

    settings = load_settings()
    known = key_file or settings.bundle_key_file
    found = verify_bundle(file, key=load_public_key(known) if known else None)
    for fault in found.faults:
        if as_json:
            click.echo(json.dumps({"type": "fault", **asdict(fault)}))
        else:
            click.echo(f"{fault.path}: {_FAULTS[fault.code]}")
    if as_json:
        line = {k: v for k, v in asdict(found).items() if k != "faults"}
        click.echo(json.dumps({"type": "verified", **line, "n_faults": len(found.faults)}))
    else:
        n = len(found.faults)
        masked = "masked" if found.is_masked else "with originals"
        click.echo(
            f"{file}: call {found.room_sid}, made {found.made_at}, {found.n_entries} entries, "
            f"{masked}: {'all as signed' if not n else f'{n} not as signed'}."
        )
        click.echo(f"Key: {found.key_fingerprint}" + (
            "" if found.is_key_known
            else "; it came with the file, so compare it with the signer's by another way."
        ))  # fmt: skip
    raise SystemExit(1 if found.faults else 0)


@command.command
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="File of the private key."
)
def key(out: Path) -> None:
    """Make a key to sign bundles with.

    The private key goes to the file, readable by its owner only; the public one, which receivers
    need, is printed.

    \b
    Example:
      earmark bundle key --out signing.pem > public.pem
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.signing_keys import fingerprint, make_key, public_pem

    public = make_key(out).public_key()
    click.echo(public_pem(public).decode(), nl=False)
    click.echo(f"fingerprint {fingerprint(public)}; the private key is in {out}", err=True)
