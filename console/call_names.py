"""Names of people on a call as they may be shown: an identity can be a telephone number.

The database knows identities, a report knows names that are masked already. Here one is found for
the other, so that a hit of the live side stands in the lane that the report draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from console.reports import Report
from rules.masking import mask_numbers
from storage.findings import Finding
from storage.manifest import Recording


class CallNames:
    """The name to show for each identity; two people never share one.

    Args:
        known: Names that a report gave, by identity.
        taken: Names of the report, whose owners may be unknown here.
    """

    def __init__(self, known: Mapping[str, str], taken: Iterable[str] = ()) -> None:
        self._shown = dict(known)
        self._open = set(taken) - set(known.values())
        self._used = set(known.values())

    def of(self, identity: str) -> str:
        """The name of somebody."""
        shown = self._shown.get(identity)
        if shown is None:
            shown = self._new(mask_numbers(identity))
            self._shown[identity] = shown
        return shown

    def maybe(self, identity: str | None) -> str | None:
        """The same, where there may be nobody."""
        return None if identity is None else self.of(identity)

    def _new(self, masked: str) -> str:
        if masked in self._open:
            self._open.discard(masked)
            self._used.add(masked)
            return masked
        shown, n = masked, 1
        while shown in self._used or shown in self._open:
            n += 1
            shown = f"{masked} ({n})"
        self._used.add(shown)
        return shown


def names_of(
    report: Report | None, findings: Sequence[Finding], recordings: Sequence[Recording]
) -> CallNames:
    """Names for a call.

    Args:
        report: Of the last audit; None where there is none.
        findings: Of the same audit, with identities.
        recordings: Of the call, with identities.
    """
    if report is None:
        return CallNames({})
    known: dict[str, str] = {}
    said = {found.id: found.speaker for found in report.findings}
    for finding in findings:
        shown = said.get(finding.id)
        if finding.speaker is not None and shown is not None:
            known[finding.speaker] = shown
    held = {each.name: each.speakers for each in report.recordings}
    for recording in recordings:
        speakers = held.get(recording.object_key, ())
        if recording.identity is not None and len(speakers) == 1:
            known.setdefault(recording.identity, speakers[0])
    return CallNames(known, (speaker.name for speaker in report.speakers))
