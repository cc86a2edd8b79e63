"""The checks of a study about attributes, from those that its researcher names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from studies.protocols.base.named_checks import ROLES, NamedCheck
from studies.protocols.base.protocol import DesignError

from . import gold_trials

#: Where researchers pick them by looking.
PAGE = "name pictures on the page “Checks” of the study, or by the setting checks"


def roles_of(design: Mapping[str, Any], named: Sequence[NamedCheck]) -> dict[str, list[NamedCheck]]:
    """Which checks are used for what: those with a use of their own, and the others in turn where some are missing.

    Whatever is left is gold: the more there are, the seldomer people meet one again.  DesignError where too few are
    named, or where one answer is right for all gold trials.
    """
    wanted = {role: n for role, n, _ in gold_trials.roles(design, 0)}
    found = {role: [one for one in named if one.role == role] for role in ROLES}
    free = iter([one for one in named if not one.role])
    for role, n in wanted.items():
        while len(found[role]) < n and (one := next(free, None)):
            found[role].append(one)
    if lacking := {role: n for role, n in wanted.items() if len(found[role]) < n}:
        asked = ", ".join(f"{role} {n}" for role, n in wanted.items())
        have = ", ".join(f"{role} {len(found[role])}" for role in lacking)
        raise DesignError(
            [f"the checks ({asked}) need pictures with known answers, and there are too few ({have}): {PAGE}"]
        )
    used = {role: found[role] if role == "gold" else found[role][:n] for role, n in wanted.items()}
    if "gold" in used:
        used["gold"] += free
        for attribute in named[0].answers:
            known = {one.answers[attribute] for one in used["gold"]}
            if len(used["gold"]) > 1 and len(known) == 1:
                raise DesignError(
                    [f"every gold picture is {known.pop()} for {attribute!r}, which people find out: name another"]
                )
    return used


def named_images(named: Sequence[NamedCheck], images: Iterable[Any]) -> dict[str, Any]:
    """The images of the checks by path; DesignError for a path that the image set does not have."""
    wanted = {one.image for one in named}
    found = {image.path: image for image in images if image.path in wanted} if wanted else {}
    if missing := [one.image for one in named if one.image not in found]:
        raise DesignError([f"checks: the image set has no picture {missing[0]}"])
    return found


def drawn(design: Mapping[str, Any], used: Mapping[str, Sequence[NamedCheck]]) -> Iterator[tuple[str, NamedCheck]]:
    """Role and check, each role's in an order of its own."""
    random = np.random.default_rng([design["seed"], gold_trials.STREAM])
    for role, checks in used.items():
        yield from ((role, checks[place]) for place in random.permutation(len(checks)).tolist())
