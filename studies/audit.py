"""Writing down what is done to studies, image sets and classifiers.

Called by the functions that do it, in the same transaction.
"""

from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from studies.models import Event, Study

What, About = Event.What, Event.About

#: Who did it where nobody was logged in.
COMMAND_LINE = "command line"
WORKER = "worker"
#: Somebody who reads the results of a closed study for a while is written down once.
SITTING = timedelta(hours=1)


def record(study: Study, what: str, actor: AbstractBaseUser | None, *, who: str = "", **details: Any) -> Event:
    """One line of the study's log.  Without an actor it was the command line, or `who` says what ran."""
    return Event.objects.create(
        study=study,
        slug=study.slug,
        at=timezone.now(),
        actor=actor,
        who=actor.get_username() if actor else who or COMMAND_LINE,
        what=what,
        details=details,
    )


def record_of_catalogue(
    about: str, name: str, what: str, actor: AbstractBaseUser | None = None, *, who: str = "", **details: Any
) -> Event:
    """One line of the log of an image set or a classifier, which may only be asked for yet."""
    return Event.objects.create(
        about=about,
        slug=name,
        at=timezone.now(),
        actor=actor,
        who=actor.get_username() if actor else who or COMMAND_LINE,
        what=what,
        details=details,
    )


def record_reading(study: Study, way: str, actor: AbstractBaseUser | None) -> None:
    """Somebody reads the outcomes of a closed study."""
    who = actor.get_username() if actor else COMMAND_LINE
    lately = study.events.filter(what=What.LOOKED, who=who, at__gt=timezone.now() - SITTING)
    if not lately.exists():
        record(study, What.LOOKED, actor, way=way)


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """What differs between two designs: the setting, its value before and after; null for one that was not there."""
    return {
        name: [before.get(name), after.get(name)] for name in {**before, **after} if before.get(name) != after.get(name)
    }
