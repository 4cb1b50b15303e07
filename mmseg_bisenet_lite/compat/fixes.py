"""Registry of fixes: each is a function with what is broken, in which versions, and when to remove it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fix:
    """One workaround for the host.

    Attributes:
        name: Short name, for the doctor's table and for issues.
        broken: What the host does wrong, and where it matters.
        versions: Versions of the host in which this was seen.
        delete_when: What the host has to do before the fix can be removed.
        apply: Function that fixes the host if necessary, and returns whether it did.
    """

    name: str
    broken: str
    versions: str
    delete_when: str
    apply: Callable[[], bool]


# All fixes, in the order in which they are defined and applied.
FIXES: list[Fix] = []


def fix(name: str, *, broken: str, versions: str, delete_when: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Decorate a function that fixes the host; the arguments are the attributes of :class:`Fix`."""

    def register(apply: Callable[[], bool]) -> Callable[[], bool]:
        FIXES.append(Fix(name, broken, versions, delete_when, apply))
        return apply

    return register


@functools.cache
def apply_fixes() -> dict[str, bool]:
    """Apply each fix once; return which of them this host needed."""
    return {fix.name: fix.apply() for fix in FIXES}
