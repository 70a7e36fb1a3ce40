"""What can be found amiss with a trail, each with the entries it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_FAULTS = 1000  # more are counted


class FaultCode(StrEnum):
    """What was found. All but the last five are about entries."""

    EDITED = "edited"  # an entry is not what its hash says
    RELINKED = "relinked"  # two entries do not follow each other: one was hashed anew
    DELETED = "deleted"
    REORDERED = "reordered"
    CUT_TAIL = "cut_tail"  # entries at the end are gone
    ADDED = "added"  # entries after the end that the chain knows
    FORKED = "forked"  # there are two versions of what follows an entry
    REWRITTEN = "rewritten"  # whole in itself, and not what was anchored
    OTHER_CHAIN = "other_chain"  # heads of another chain lie in the store
    HEAD_MISSING = "head_missing"
    HEAD_UNREADABLE = "head_unreadable"
    HEAD_FORGED = "head_forged"  # the signature does not fit
    HEAD_WRONG_KEY = "head_wrong_key"  # signed by a key that is not ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something amiss with entries `seq` to `last_seq`."""

    code: FaultCode
    seq: int  # 0 = not about an entry
    last_seq: int
    about: str | None = None  # an object's key, a hash, a fingerprint

    @property
    def sentence(self) -> str:
        """What it is, for people."""
        one = self.seq == self.last_seq
        entries = f"entry {self.seq}" if one else f"entries {self.seq} to {self.last_seq}"
        are = "is" if one else "are"
        were = "was" if one else "were"
        match self.code:
            case FaultCode.EDITED:
                return f"{entries}: {were} changed, since the hash does not fit"
            case FaultCode.RELINKED:
                return (
                    f"{entries}: do not follow each other; one of them was changed and hashed anew"
                )
            case FaultCode.DELETED:
                return f"{entries}: {are} missing"
            case FaultCode.REORDERED:
                return f"{entries}: {are} not in the place of {'its' if one else 'their'} making"
            case FaultCode.CUT_TAIL:
                return f"{entries}: {are} missing at the end ({self.about})"
            case FaultCode.ADDED:
                return f"{entries}: {are} there beside what the chain knows"
            case FaultCode.FORKED:
                return f"{entries}: there are two versions of what was done ({self.about})"
            case FaultCode.REWRITTEN:
                return (
                    f"{entries}: {are} not what was anchored ({self.about}): something in them was "
                    "changed and all that follows hashed anew"
                )
            case FaultCode.OTHER_CHAIN:
                return (
                    f"heads of another chain are in the store ({self.about}): this database is not "
                    "the one that was anchored, or two share a store"
                )
            case FaultCode.HEAD_MISSING:
                return f"the head at entry {self.seq} is gone from the store ({self.about})"
            case FaultCode.HEAD_UNREADABLE:
                return f"{self.about}: is no head as it was written"
            case FaultCode.HEAD_FORGED:
                return f"{self.about}: its signature does not fit; it was forged or changed"
            case FaultCode.HEAD_WRONG_KEY:
                return (
                    f"the head at entry {self.seq} was signed by another key, {self.about}; if it "
                    "was once yours, give it with --key as well"
                )


class Faults:
    """Collects faults. Those that go on from one entry to the next become one."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.n_more = 0

    def add(
        self, code: FaultCode, seq: int, last_seq: int | None = None, about: str | None = None
    ) -> None:
        """Take in one more."""
        until = seq if last_seq is None else last_seq
        before = self.found[-1] if self.found else None
        if (
            before is not None
            and code in {FaultCode.EDITED, FaultCode.ADDED}
            and (before.code, before.last_seq, before.about) == (code, seq - 1, about)
        ):
            self.found[-1] = Fault(code=code, seq=before.seq, last_seq=until, about=about)
        elif len(self.found) < MAX_FAULTS:
            self.found.append(Fault(code=code, seq=seq, last_seq=until, about=about))
        else:
            self.n_more += 1

    def take(self, others: Iterable[Fault]) -> None:
        """Take in those of another."""
        for each in others:
            self.add(each.code, each.seq, each.last_seq, each.about)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Faults in the order of their entries, those that go on from one to the next as one."""
    collected = Faults()
    collected.take(sorted(faults, key=lambda each: (each.seq, each.code, each.last_seq)))
    return tuple(collected.found)
