"""Errors of the store: database, objects, manifests.

StorageError              exit 2: base of everything that `storage` raises on purpose
├── StorageUrlError       exit 2: an address of a database or object store that is none
├── ObjectKeyError        exit 2: a key that no store may be asked for
├── ObjectMissingError    exit 2: no object lies under a key
├── ObjectChangedError    exit 2: an object that was replaced while it was read
├── ObjectLockedError     exit 2: an object that is held, or locked for some time
├── HoldError             exit 2: a legal hold that cannot be set or released
├── ErasureError          exit 2: an erasure that must not begin as it was asked for
├── ManifestError         exit 2: a recording's manifest that cannot be read
├── TranscriptError       exit 2: a kept transcript, or a report's text, that cannot be read
├── VerdictError          exit 2: a reviewer's verdict that cannot be taken
├── ReviewError           exit 2: a claim, assignment, view or sample that cannot be as asked
│   ├── ClaimError        exit 2: a call that somebody else has, or that was not claimed
│   └── ReviewMissingError     exit 2: no view, sample or flag where one was asked for
├── TrailError            exit 2: an entry that the audit trail cannot take, or a damaged chain
├── CallMissingError      exit 2: no call where one was asked for
├── StorageUnavailableError    exit 3: the object store cannot be reached, or refuses us
├── StorageFullError           exit 3: no space is left
├── DatabaseUnavailableError   exit 3: the database cannot be reached, or refuses us
├── DatabaseRefusedError       exit 3: the database refuses a statement, such as a bad row
├── DatabaseOutdatedError      exit 3: the schema is older than the code
└── DatabaseNewerError         exit 3: the schema is newer than the code

Messages name addresses, keys, tables and codes. What drivers write is left out of them, because
drivers quote the values of a row.
"""

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """Base: one clear sentence for a person."""

    exit_code: ClassVar[int] = 2


class StorageUrlError(StorageError):
    """The address of a database or object store cannot be used; it is not shown, for passwords."""


class ObjectKeyError(StorageError):
    """An object key that leaves the store, is too long, or clashes with another key."""


class ObjectMissingError(StorageError):
    """There is no object under this key."""


class ObjectChangedError(StorageError):
    """The object was replaced while it was read; what was read of it is no whole."""


class ObjectLockedError(StorageError):
    """The object may not be replaced or erased: a legal hold, or its time is not over."""


class HoldError(StorageError):
    """A legal hold without a reason, or none where one was to be released."""


class ErasureError(StorageError):
    """An erasure for which something has to be decided first."""


class ManifestError(StorageError):
    """A manifest that is no manifest of one recording."""


class TranscriptError(StorageError):
    """A kept transcript, or the text of a report, that is none of a known version."""


class VerdictError(StorageError):
    """A verdict that nobody made, that is too long, or that bears the id of another one."""


class ReviewError(StorageError):
    """A claim, an assignment, a saved view or a sample that cannot be as it was asked for."""


class ClaimError(ReviewError):
    """Somebody else is at the call, or whoever judges it has not claimed it."""


class ReviewMissingError(ReviewError):
    """There is no such view, sample or flag, or it is not theirs to see."""


class TrailError(StorageError):
    """An entry that the audit trail cannot take, or a chain that cannot be gone on with."""


class CallMissingError(StorageError):
    """The database knows no such call."""


class StorageUnavailableError(StorageError):
    """The object store cannot be reached, or refuses our credentials."""

    exit_code = 3


class StorageFullError(StorageError):
    """The disk, the quota or the bucket is full; nothing was half written."""

    exit_code = 3


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached, refuses our credentials, or is locked for too long."""

    exit_code = 3


class DatabaseRefusedError(StorageError):
    """The database refused a statement, such as a row that breaks a constraint."""

    exit_code = 3


class DatabaseOutdatedError(StorageError):
    """The schema is behind the code; `earmark db upgrade` brings it up to date."""

    exit_code = 3


class DatabaseNewerError(StorageError):
    """The schema was written by a newer Earmark than this one."""

    exit_code = 3
