"""The places of the console, in the order of its menu."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from console.access import Permission, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry of the menu.

    Attributes:
        title: One or two words.
        path: Where it leads; pages below it belong to it.
        permission: Who does not have it, does not see it.
        order: Smaller is further to the left.
    """

    title: str
    path: str
    permission: Permission
    order: int


def places_for(person: Person | None, places: Iterable[Place]) -> tuple[Place, ...]:
    """The menu of a person."""
    if person is None:
        return ()
    mine = (each for each in places if person.may(each.permission))
    return tuple(sorted(mine, key=lambda each: (each.order, each.title)))
