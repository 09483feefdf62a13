"""What a kind's model does not say and a request needs to make sense: a small table, one entry a kind.

An entry stands in a module of `kinds`, one module a family, and is found there. A kind without an entry is tested with
what the model alone says.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.model import Params


def _as_drawn(params: Params) -> Params:
    return params


@dataclass(frozen=True)
class Facts:
    """What requests of one kind need besides their shapes.

    Paths are spelled `ProductionVariants[].ModelName`, a map's values `Environment{}`. A path may be preceded by an
    operation, `UpdateSpace:SpaceSettings`; without one it counts for Create and Update.

    Attributes:
        noun: the noun of its operations.
        operations: role (create, describe, list, update, delete) → operation, where it is not called by the noun.
        needs: path → noun of a kind of which one must exist; its member of the path's last name (or the member named
            after a colon: `Model:ModelArn`) is put there. Parents and references that a declaration tells need not be
            said; an empty noun takes one of them back.
        needed_as: noun of a kind of which one must exist, or that such a one needs → what a request for it is to be.
        values: path → a value, or a hypothesis strategy of values, that has a meaning which the shape does not tell.
        always: paths of members that the shape calls optional and the service does not.
        without: path → why nothing is ever given there. What a declaration refuses as not built is left out anyway.
        mend: makes a drawn Create input consistent where members depend on each other.
        mend_update: the same of an Update input.
        called: members of Describe's, Update's, Delete's or List's input that are called otherwise in what Create was
            given and answered and what Describe answers → that name, or a function of those members. Optional ones
            that stand here are given.
        shown: members of Create's input that Describe's output calls otherwise → path there, or None if the output
            has a member of that name with another meaning.
        summary: members of List's summaries that Describe calls otherwise → path there.
        filters: List's filters that are not told by their name → path of the value in Describe that they select by.
        lives: whether it has a life of its own, so that Delete begins an end that is a reconciler's to reach.
        named: whether two of one name cannot be (versions and nameless kinds can).
        unique: path of what tells one from others in Create's input, where that is not its name.
        most: how many a region may have, at most three of which are made.
        exceptions: irregularities of AWS: what a check calls the difference → why it is so. One that no check meets
            fails, so that the table stays true.
    """

    noun: str
    operations: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    needed_as: Mapping[str, Callable[[Params], Params]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    without: Mapping[str, str] = field(default_factory=dict)
    mend: Callable[[Params], Params] = _as_drawn
    mend_update: Callable[[Params], Params] = _as_drawn
    called: Mapping[str, str | Callable[[Params], Any]] = field(default_factory=dict)
    shown: Mapping[str, str | None] = field(default_factory=dict)
    summary: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    lives: bool = False
    named: bool = True
    unique: str = ""
    most: int = 3
    exceptions: Mapping[str, str] = field(default_factory=dict)


def every_entry() -> dict[str, Facts]:
    """The entries of all modules of `kinds`, by noun.

    Raises:
        LookupError: two entries for one kind.
    """
    from tests.conformance import kinds

    found: dict[str, Facts] = {}
    for each in pkgutil.iter_modules(kinds.__path__):
        module = importlib.import_module(f"{kinds.__name__}.{each.name}")
        for entry in vars(module).values():
            if isinstance(entry, Facts) and found.setdefault(entry.noun, entry) is not entry:
                raise LookupError(f"{entry.noun} has two entries, one of them in {module.__name__}")
    return found
