"""Image sets and studies as rows, without PyTorch: what `import_*` and `prepare` would have left behind."""

from datetime import timedelta
from itertools import count

import numpy as np
from django.utils import timezone

from studies import lifecycle, participation, protocols
from studies.lib import storage
from studies.lib.canonical_json import digest
from studies.models import Condition, Participant, Slot, Stimulus, Study, Trial
from studies.preparation.cleanup import delete_unused, find_unused
from studies.protocol_contract.made_up_images import (
    CLASSES,
    make_classifier,
    make_image_set,
    make_picture,
    without_doubts,
)

__all__ = [
    "CLASSES",
    "CONSENT",
    "answered_study",
    "delete_all_unused",
    "fill_slots",
    "make_classifier",
    "make_image_set",
    "make_picture",
    "make_study",
    "open_study",
    "simulated_rows",
    "without_doubts",
]

_numbers = count(1)

#: What a study has to tell its participants, beside what is read off its design.
CONSENT = {
    "researchers": "the authors of these tests",
    "institution": "a university",
    "contact": "study@example.org",
    "approval": "no. 12 of its board",
    "complaints": "board@example.org",
    "minutes": 10,
    "pay": 1.5,
    "currency": "EUR",
    "risks": "none are known",
    "storage": "the university's server",
}


def make_study(n_stimuli: int = 3, answers_per_stimulus: int = 5, *, slug: str = "", side: int = 32, **design) -> Study:
    """A rectified study, ready to open, in which each image is taken for the next class (then the one after it)."""
    # Of another name in each process that makes a study of its own; nobody may learn the study's from it.
    own = slug and digest(slug)[:8]
    image_set = make_image_set(own and f"things-{own}", n_images=min(n_stimuli, 12), side=side)
    design = {
        "classifier": without_doubts(make_classifier(image_set, own and f"net-{own}")).name,
        "answers_per_stimulus": answers_per_stimulus,
        "threshold": max(1, answers_per_stimulus - 1),
        "trials_per_participant": n_stimuli,
        **design,
    }
    study = lifecycle.create_study(
        slug=slug or f"study-{next(_numbers)}",
        protocol="rectified_labeling",
        design=design,
        title="Pictures and words",
        consent_details=CONSENT,
    )
    condition = Condition.objects.create(study=study, key="errors")
    images, classes = list(image_set.images.order_by("pk")), list(image_set.classes.all())
    pictures = [storage.store("artifacts", make_picture(n, side), ".png") for n in range(len(images))]
    stimuli = []
    for n in range(n_stimuli):
        image, picture = images[n % len(images)], pictures[n % len(images)]
        wrong = classes[(image.label + 1 + n // len(images) % (len(classes) - 1)) % len(classes)]
        shown = {"picture": {"file": picture, "width": side, "height": side}, "ask": wrong.title}
        truth = {
            "image": image.path,
            "label": wrong.name,
            "true_label": classes[image.label].name,
            "probability": 1 / (n + 2),
            "true_probability": 1 / (n + 3),
        }
        content = {"condition": condition.key, "shown": shown, "truth": truth}
        stimuli.append(
            Stimulus(study=study, condition=condition, number=n + 1, digest=digest(content), shown=shown, truth=truth)
        )
    Stimulus.objects.bulk_create(stimuli, batch_size=1000)
    study.preparation = {"images": 4 * n_stimuli, "errors": n_stimuli, "shown": n_stimuli}
    study.state = Study.State.READY
    study.save(update_fields=["preparation", "state"])
    return study


def open_study(n_stimuli: int = 3, answers_per_stimulus: int = 5, **options) -> Study:
    """The same, opened."""
    study = make_study(n_stimuli, answers_per_stimulus, **options)
    lifecycle.open_study(study)
    return study


def answered_study(
    n_stimuli: int = 12, panel: int = 5, people: int = 15, *, close: bool = True, seed: int = 0, **design
):
    """A study in which so many people with minds of their own gave every answer wanted; written as rows, not played.

    The people take turns, so that a panel is five different ones; `people` must be at least `panel`.
    """
    study = open_study(n_stimuli, panel, **design)
    random = np.random.default_rng(seed)
    pks = study.stimuli.order_by("pk").values_list("pk", flat=True)
    relevant = dict(zip(pks, random.random(n_stimuli), strict=True))

    def says(stimulus: Stimulus) -> tuple[str, int]:
        took = int(random.lognormal(7.3, 0.5))
        return "yes" if random.random() < relevant[stimulus.pk] else "no", took

    fill_slots(study, people, says)
    if close:
        lifecycle.close_study(study)
    study.refresh_from_db()
    return study


def simulated_rows(study: Study, people: int = 40, *, seed: int = 0, missing: float = 0.0) -> Study:
    """An open study of any protocol answered as the protocol simulates it, and closed; `missing`: share of answers."""
    kind, random = protocols.get(study.protocol), np.random.default_rng(seed)

    def says(stimulus: Stimulus) -> tuple[str, int, dict | None] | None:
        answer, seconds = kind.simulated_answer(study.design, stimulus.truth, None, random)
        sent = kind.simulated_parts(study.design, stimulus.truth, lambda about: None, random)
        parts = {name: part[0] for name, part in sent.items()} or None
        return None if random.random() < missing else (answer, round(1000 * seconds), parts)

    fill_slots(study, people, says)
    lifecycle.close_study(study)
    study.refresh_from_db()
    return study


def fill_slots(study: Study, people: int, says) -> None:
    """Every slot filled, in order of stimuli, by people who take turns; `says`: answer, milliseconds and perhaps parts,
    or None."""
    start, consent = timezone.now(), participation.current_consent(study)
    participants = Participant.objects.bulk_create(
        Participant(
            study=study,
            number=n + 1,
            token_sha256=participation.token_hash(f"{study.pk}-{n}"),
            consent=consent,
            consented_at=start,
            started_at=start,
            finished_at=start + timedelta(hours=1),
            completion_code=f"FINISHED{n:02}",
        )
        for n in range(people)
    )
    slots = list(study.slots.order_by("stimulus__number", "slot_no").select_related("stimulus"))
    trials, filled = [], []
    for n, slot in enumerate(slots):
        if (said := says(slot.stimulus)) is None:
            continue
        answer, took, *parts = said
        shown = start + timedelta(seconds=5 * n)
        exclusion = protocols.get(study.protocol).exclusion(study.design, answer, took + 120)
        trials.append(
            Trial(
                study=study,
                participant=participants[n % people],
                stimulus_id=slot.stimulus_id,
                position=n // people + 1,
                claimed_at=shown,
                presented_at=shown,
                answered_at=shown + timedelta(milliseconds=took + 120),
                answer=answer,
                parts=parts[0] if parts else None,
                response_ms=took,
                counted=not exclusion,
                exclusion=exclusion,
            )
        )
        filled.append(slot)
    for slot, trial in zip(filled, Trial.objects.bulk_create(trials, batch_size=2000), strict=True):
        slot.holder, slot.filled = trial, trial.counted
    Slot.objects.bulk_update(filled, ["holder", "filled"], batch_size=200)


def delete_all_unused() -> None:
    """Delete what nothing uses, however much earlier tests have left in the data folder that they share."""
    delete_unused(hours=0, confirmed=len(find_unused(hours=0).files))
