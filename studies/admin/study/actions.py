"""Prepare, Call off, Open, Pause, Close, Archive: each says what it will do, and does it by POST only."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studies import lifecycle, preparation
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.catalog import judgement
from studies.lib.errors import StudyError
from studies.models import Study
from studies.planning.checklist import checklist

from .descriptions import plan_of, rehearsed_at, report_of, settings_of
from .progress import Progress, progress

State = Study.State


@dataclass(frozen=True)
class Step:
    """One thing a researcher does to a study.  `final`: it cannot be undone, so it is asked for twice."""

    key: str
    button: str
    states: tuple[str, ...]
    act: Callable[..., None]
    done: str
    says: Callable[[Study, Progress], list[str]]
    final: str = ""
    icon: str = ""
    #: Of closed studies: whether it is for archived ones.
    archived: bool = False


def _prepare_says(study: Study, so_far: Progress) -> list[str]:
    return [
        "A worker computes what the study shows: predictions, pictures, stimuli.",
        "What was computed before is kept, so preparing again is quick. Nobody sees anything yet, "
        "and the design can still be changed afterwards.",
    ]


def _open_says(study: Study, so_far: Progress) -> list[str]:
    return [
        f"Everyone who has the participant link can take part. {so_far.stimuli:,} stimuli with "
        f"{study.design['answers_per_stimulus']} answers each make {so_far.wanted:,} answers, "
        f"from {so_far.people_needed:,} people or more.",
        "The design with its analysis, the stimuli and the consent text are frozen, and stored with their digest.",
        "It has been rehearsed as it is."
        if rehearsed_at(study)
        else f"It has not been rehearsed as it is: manage.py rehearse {study.slug} has simulated people answer a copy.",
    ]


def _reopen_says(study: Study, so_far: Progress) -> list[str]:
    return ["People are given stimuli again. It can be paused again at any time."]


def _pause_says(study: Study, so_far: Progress) -> list[str]:
    return [
        "Nobody is given another stimulus. An answer to one that is on a screen already is still taken.",
        "It can be opened again at any time.",
    ]


def _close_says(study: Study, so_far: Progress) -> list[str]:
    missing = f"{so_far.missing:,} of {so_far.wanted:,} answers are still missing, and will stay so."
    return [
        "No more answers are taken, not even to stimuli that are on a screen. The results can be seen then.",
        missing if so_far.missing else f"All {so_far.wanted:,} answers are there.",
    ]


PREPARE = Step(
    "prepare",
    "Prepare",
    (State.DRAFT,),
    preparation.enqueue_preparation,
    "A worker prepares the study now.",
    _prepare_says,
    icon="auto_awesome_motion",
)
PREPARE_AGAIN = Step(
    "prepare",
    "Prepare again",
    (State.READY, State.PREPARING),
    preparation.enqueue_preparation,
    PREPARE.done,
    _prepare_says,
    icon="replay",
)
CANCEL = Step(
    "cancel",
    "Cancel the preparation",
    (State.PREPARING,),
    preparation.cancel,
    "The preparation is cancelled; the study is a draft again.",
    lambda study, so_far: [
        "The workers stop after the batch they are at. What they computed is kept for the next time."
    ],
    icon="stop",
)
OPEN = Step(
    "open",
    "Open",
    (State.READY,),
    lifecycle.open_study,
    "The study is open: people with the link can take part.",
    _open_says,
    final="Opening cannot be undone. An open study can be paused and closed, but never changed.",
    icon="play_arrow",
)
REOPEN = Step(
    "open",
    "Open again",
    (State.PAUSED,),
    lifecycle.open_study,
    "The study is open again.",
    _reopen_says,
    icon="play_arrow",
)
PAUSE = Step("pause", "Pause", (State.OPEN,), lifecycle.pause_study, "The study is paused.", _pause_says, icon="pause")
CLOSE = Step(
    "close",
    "Close",
    (State.OPEN, State.PAUSED),
    lifecycle.close_study,
    "The study is closed. Here are its results.",
    _close_says,
    final="Closing cannot be undone. A closed study is never opened again.",
    icon="stop",
)
ARCHIVE = Step(
    "archive",
    "Archive",
    (State.CLOSED,),
    lifecycle.archive_study,
    "The study is archived.",
    lambda study, so_far: [
        "It is left out of the first page and of the list, unless archived studies are asked for.",
        "Everything in it stays: results, download, log. It can be taken out of the archive at any time.",
    ],
    icon="inventory_2",
)
UNARCHIVE = Step(
    "unarchive",
    "Take out of the archive",
    (State.CLOSED,),
    lifecycle.unarchive_study,
    "The study is among the others again.",
    lambda study, so_far: ["It is listed again. It stays closed: nobody can answer it."],
    icon="unarchive",
    archived=True,
)
#: In the order of their buttons.
STEPS = (PREPARE, OPEN, REOPEN, PAUSE, CLOSE, ARCHIVE, UNARCHIVE, CANCEL, PREPARE_AGAIN)
KEYS = ("prepare", "cancel", "open", "pause", "close", "archive", "unarchive")


def possible(study: Study) -> list[Step]:
    """What can be done to a study in its state."""
    archived = study.archived_at is not None
    return [step for step in STEPS if study.state in step.states and step.archived is archived]


def step(admin: ModelAdmin, request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """GET says what the step will do, POST does it.  A step that is refused changes nothing and says why."""
    study = get_object_or_404_for(admin, request, pk, "change")
    found = [one for one in possible(study) if one.key == key]
    if request.method != "POST":
        if not found:
            messages.error(request, f"Study {study.slug} is {study.state}: it cannot be {key}d.")
            return redirect(admin.address(study))
        says, design = found[0].says(study, progress(study)), settings_of(study)
        context = {"step": found[0], "says": says, "design": design, "study": study, "original": study}
        if study.state == State.READY:
            context["plan"] = plan_of(lifecycle.registered_analysis(study))
            context["doubts"] = judgement.doubts(study) if found[0] is OPEN else []
            context["points"] = checklist(study) if found[0] is OPEN else []
            context["report"] = report_of(study)[0] if found[0] is OPEN else []
        return page(admin, request, "admin/studies/study/confirm.html", title=found[0].button, **context)
    # Also a step that does not fit is tried: the life cycle knows best why not, and has the last word anyway.
    chosen = found[0] if found else next(one for one in STEPS if one.key == key)
    try:
        confirmed = {"anyway": request.POST.get("anyway") == "on"} if chosen is OPEN else {}
        chosen.act(study, actor=request.user, **confirmed)
    except StudyError as error:
        messages.error(request, as_sentence(error))
        return redirect(admin.address(study))
    if study.problem:
        messages.warning(request, as_sentence(f"study {study.slug}: {study.problem}"))
    else:
        messages.success(request, chosen.done)
    return redirect(admin.address(study, "results" if chosen is CLOSE else "change"))
