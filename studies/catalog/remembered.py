"""Results about a classifier that no study asked for: planned as rows, computed here, remembered for whoever asks."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from studies.lib.canonical_json import digest
from studies.lib.database import retry_while_database_is_down
from studies.models import Artifact
from studies.preparation import execution

WINDOW = 1000
UNDONE = (Artifact.State.PENDING, Artifact.State.RUNNING)


def compute(kind: str, recipes: Sequence[Mapping[str, Any]], *, until: float) -> bool:
    """See to it that each recipe has a result or a failure; False where `until` (`time.monotonic()`) came before."""
    ids = _planned(kind, recipes)
    while ids:
        if time.monotonic() > until:
            return False
        execution.reclaim_from_dead_processes(ids)
        execution.compute_pending(ids, only_wanted=False, until=until)
        ids = list(Artifact.objects.filter(pk__in=ids, state__in=UNDONE).values_list("pk", flat=True))
        if ids:
            time.sleep(0.5)  # A study's preparation is computing them.
    return True


def values(recipes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
    """The value of each recipe's result, in order; None for those that failed or were never computed."""
    keys = [digest(recipe) for recipe in recipes]
    known: dict[str, dict[str, Any]] = {}
    # Databases take only so many values in one question.
    for start in range(0, len(keys), WINDOW):
        rows = Artifact.objects.filter(digest__in=keys[start : start + WINDOW], state=Artifact.State.DONE)
        known.update(rows.values_list("digest", "value"))
    return [known.get(key) for key in keys]


def _planned(kind: str, recipes: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ids of those of the results that are still to be made."""
    wanted = {digest(recipe): recipe for recipe in recipes}

    def plan() -> list[int]:
        rows = Artifact.objects.filter(digest__in=wanted)
        known = set(rows.values_list("digest", flat=True))
        new = [Artifact(digest=key, kind=kind, recipe=r) for key, r in wanted.items() if key not in known]
        Artifact.objects.bulk_create(new, ignore_conflicts=True)
        return list(rows.filter(state__in=UNDONE).order_by("pk").values_list("pk", flat=True))

    return retry_while_database_is_down(plan)
