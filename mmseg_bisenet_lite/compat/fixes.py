"""The mechanism: each workaround is a function that says what is broken, in which versions, and when it can go."""

import functools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fix:
    """One workaround for the host.

    Attributes:
        name: Short, for the doctor's table and in issues.
        broken: What the host gets wrong, and whom it hurts.
        versions: In which versions that was seen.
        delete_when: What the host has to do for the fix to go.
        apply: Mends the host where it needs it, and returns whether it did.
    """

    name: str
    broken: str
    versions: str
    delete_when: str
    apply: Callable[[], bool]


# In the order in which they are applied, which is the order of their definition.
FIXES: list[Fix] = []


def fix(name: str, *, broken: str, versions: str, delete_when: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Decorate a function that mends the host; the arguments are :class:`Fix`'s."""

    def register(apply: Callable[[], bool]) -> Callable[[], bool]:
        FIXES.append(Fix(name, broken, versions, delete_when, apply))
        return apply

    return register


@functools.cache
def apply_fixes() -> dict[str, bool]:
    """Apply each fix, once; returns which of them this host needed."""
    return {fix.name: fix.apply() for fix in FIXES}
