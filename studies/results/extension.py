"""What a study took over from the one it extends, and how far apart the two were asked."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q

from studies.models import Study
from studies.protocols import Table


def extension(study: Study) -> tuple[dict[str, Any], list[Table]]:
    """The measure `extension` and its table; nothing of a study that extends none.

    seconds_between: from the last answer that was taken over to the first new one, by the server's clock.
    """
    if study.extends is None:
        return {}, []
    counted, old = study.trials.filter(counted=True), Q(participant__taken_over=True)
    numbers = counted.aggregate(
        answers=Count("pk", filter=old),
        new=Count("pk", filter=~old),
        last=Max("answered_at", filter=old),
        first=Min("answered_at", filter=~old),
    )
    panel = study.design["answers_per_stimulus"]
    taken = counted.filter(old).values("stimulus").annotate(n=Count("pk")).filter(n__gte=panel).count()
    last, first = numbers["last"], numbers["first"]
    between = None if last is None or first is None else (_millisecond(first) - _millisecond(last)).total_seconds()
    found = {
        "of": study.extends.slug,
        "panels": taken,
        "answers": numbers["answers"],
        "new_answers": numbers["new"],
        "seconds_between": between,
    }
    rows = [
        ["Panels taken over", taken],
        ["Answers taken over", numbers["answers"]],
        ["New answers", numbers["new"]],
        ["Days from the last one taken over to the first new one", None if between is None else _days(between)],
    ]
    note = "People may judge otherwise after some time, and the classifier that was added was judged later."
    return {"extension": found}, [Table(f"Taken over from {study.extends.slug}", ["", "number"], rows, note)]


def _millisecond(moment: datetime) -> datetime:
    """The moment as answers.csv has it, from which the figure is recomputed."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _days(seconds: float) -> str:
    return f"{seconds / 86_400:.2f}"
