"""Addresses of wallets: Bitcoin (Base58Check, Bech32 and Bech32m) and Ethereum.

Source: the Bitcoin wiki for Base58Check, BIP 173 and BIP 350 for the other two, EIP-55 for the
form of Ethereum addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from rules.detectors.passage import Find, Passage

ENTITY = "CRYPTO"

SCORE = 1.0
SCORE_UNCHECKED = 0.8  # the form allows no check
MIN_CHARS = 14  # of a Bech32 address

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_LONG = re.compile(rf"\w{{{MIN_CHARS}}}")
_OLD = re.compile(r"(?<!\w)[13][1-9A-HJ-NP-Za-km-z]{24,34}(?!\w)")
_SEGWIT = re.compile(r"(?<!\w)(?:bc1[02-9ac-hj-np-z]{11,87}|BC1[02-9AC-HJ-NP-Z]{11,87})(?!\w)")
_ETHEREUM = re.compile(r"(?<!\w)0x[0-9A-Fa-f]{40}(?!\w)")
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECK_VALUES = (1, 0x2BC830A3)  # Bech32, Bech32m


def wallets(passage: Passage) -> Iterator[Find]:
    """Addresses whose check digits are right, where there are any."""
    text = passage.text
    if not _LONG.search(text):
        return
    for match in _OLD.finditer(text):
        if _is_base58(match.group()):
            yield Find(ENTITY, match.start(), match.end(), match.group(), SCORE)
    for match in _SEGWIT.finditer(text):
        if _is_segwit(match.group().lower()):
            yield Find(ENTITY, match.start(), match.end(), match.group().lower(), SCORE)
    for match in _ETHEREUM.finditer(text):
        yield Find(ENTITY, match.start(), match.end(), match.group(), SCORE_UNCHECKED)


def _is_base58(address: str) -> bool:
    number = 0
    for char in address:
        number = number * 58 + _BASE58.index(char)
    try:
        decoded = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return sha256(sha256(decoded[:-4]).digest()).digest()[:4] == decoded[-4:]


def _is_segwit(address: str) -> bool:
    prefix, _, data = address.partition("1")
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    check = 1
    for value in (*values, *(_BECH32.index(char) for char in data)):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate(_GENERATORS):
            check ^= generator if top >> i & 1 else 0
    return check in _CHECK_VALUES
