"""A rule book as plain files in memory: names, contents, and what they come to.

This is the form in which a book is edited and published. A name is only a label: nothing is ever
opened by it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rules.document import MAX_BYTES
from rules.errors import Problem, RuleInputError, RuleLoadError
from rules.loader import BUILT_IN_BOOK, CASES_SUFFIXES, is_case_file, yaml_files

BookFiles = Mapping[str, bytes]  # contents by name, such as `pii/card.yaml`

MAX_FILES = 400
MAX_BOOK_BYTES = 8 * 1024 * 1024
MAX_NAME_CHARS = 120
_PART = r"[a-z0-9][a-z0-9_-]*"
_NAME = re.compile(rf"(?:{_PART}/){{0,4}}{_PART}(?:\.cases)?\.ya?ml")


def check_files(files: BookFiles) -> None:
    """See that names and sizes are those of a book.

    Raises:
        RuleInputError: the first one that is not.
    """
    if len(files) > MAX_FILES:
        raise RuleInputError(f"more than {MAX_FILES} files; put several rules into one pack")
    for name, raw in files.items():
        check_name(name)
        if len(raw) > MAX_BYTES:
            raise RuleInputError(f"{name}: larger than {MAX_BYTES} bytes; split the file")
    if sum(map(len, files.values())) > MAX_BOOK_BYTES:
        raise RuleInputError(f"all files together are larger than {MAX_BOOK_BYTES} bytes")


def check_name(name: str) -> None:
    """See that a name may stand in a book.

    Raises:
        RuleInputError: it may not.
    """
    if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise RuleInputError(
            f"{name[:MAX_NAME_CHARS]!r} is no name of a rule file; write lower-case letters, "
            "digits and hyphens, such as pii/card.yaml or pii/card.cases.yaml"
        )


def cases_name(name: str) -> str:
    """The name of the case file that lies beside a pack."""
    path = Path(name)
    return path.with_name(path.stem + CASES_SUFFIXES[0]).as_posix()


def pack_name(name: str) -> str:
    """The name of the pack that a case file lies beside; of a pack, its own."""
    for suffix in CASES_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix) + suffix.removeprefix(".cases")
    return name


def content_hash(files: BookFiles) -> str:
    """SHA-256, hex, over names and contents."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()


def read_book(paths: Sequence[Path] = ()) -> BookFiles:
    """Read rule files, and the case files beside and below them, into memory.

    Args:
        paths: Files or folders, as for `rules.loader.load_rulebook`; empty means the built-in book.

    Raises:
        RuleLoadError: a file cannot be read.
        RuleInputError: a name cannot stand in a book, or two files would have the same one.
    """
    files: dict[str, bytes] = {}
    for path in paths or (BUILT_IN_BOOK,):
        for file, name in _named(path):
            if name in files:
                raise RuleInputError(f"two files would be named {name}; rename one")
            check_name(name)
            try:
                with file.open("rb") as opened:
                    files[name] = opened.read(MAX_BYTES + 1)
            except OSError as exc:
                reason = exc.strerror or "cannot be read"
                message = f"{reason}; give a readable YAML file or a folder"
                raise RuleLoadError(
                    [Problem(path=file, line=1, column=1, message=message)]
                ) from None
    check_files(files)
    return MappingProxyType(files)


def _named(path: Path) -> list[tuple[Path, str]]:
    if path.is_dir():
        return [(file, file.relative_to(path).as_posix()) for file in yaml_files(path)]
    found = [(path, path.name)]
    if not is_case_file(path):
        beside = (path.with_name(path.stem + suffix) for suffix in CASES_SUFFIXES)
        found += [(file, file.name) for file in beside if file.is_file()]
    return found
