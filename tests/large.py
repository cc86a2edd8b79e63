"""A study with very many rows, written directly: what the desk's pages have to be fast with."""

from datetime import timedelta

from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils import timezone

from studies import lifecycle, participation
from studies.models import Artifact, Condition, Participant, Role, Stimulus, Study, Trial
from studies.workbench.recipes import digest
from tests.bench import made_up_study
from tests.factories import make_classifier, make_image_set

CONDITIONS = ("whole", "explanation")
PEOPLE_FOR_EACH = 100


def large_study(n_stimuli: int = 50_000, panel: int = 2) -> Study:
    """An open study of attacked images, the first slot of each filled, with the artifacts of each stimulus."""
    classifier = make_classifier(make_image_set(n_images=6))
    design = {"classifier": classifier.name, "answers_per_stimulus": panel, "threshold": 1}
    study = lifecycle.create_study(slug=f"large-{classifier.pk}", protocol="adversarial_trials", design=design)
    conditions = [Condition.objects.create(study=study, key=key) for key in CONDITIONS]
    Stimulus.objects.bulk_create((_stimulus(study, conditions[n % 2], n) for n in range(n_stimuli)), batch_size=2000)
    made = Artifact.objects.bulk_create(
        (_artifact(study, kind, n) for n in range(n_stimuli) for kind in ("prediction", "attack")), batch_size=2000
    )
    link = Study.artifacts.through
    link.objects.bulk_create((link(study_id=study.pk, artifact_id=one.pk) for one in made), batch_size=2000)
    study.state, study.prepared_at = Study.State.READY, timezone.now()
    # What preparing found is as long whatever the size of a study.
    study.preparation = made_up_study("adversarial_trials").preparation
    study.save()
    lifecycle.open_study(study)
    _answer(study, n_stimuli)
    return study


def pages(study: Study) -> dict[str, str]:
    """The desk's pages by name, those of this study among them."""

    def at(name: str, query: str = "") -> str:
        return reverse(f"admin:studies_study_{name}", args=[study.pk]) + query

    last = study.stimuli.order_by("-number").first().number
    return {
        "start": reverse("admin:index"),
        "list": reverse("admin:studies_study_changelist"),
        "study": at("change"),
        "preview": at("preview"),
        "preview of a trial": at("preview", f"?number={last}"),
        "stimuli": at("stimuli"),
        "stimuli, last page": at("stimuli", "?p=100000"),
        "stimuli, filtered": at("stimuli", "?label=saxophone&r2_from=0.5&flip_step_to=3"),
        "stimulus": at("stimulus", f"?number={last}"),
        "running": at("running"),
        "participants": at("participants"),
        "people": at("people"),
        "history": at("history"),
    }


def _file(study: Study, what: str, n: int) -> str:
    name = digest([study.slug, what, n])
    return f"artifacts/{name[:2]}/{name}.png"


def _stimulus(study: Study, condition: Condition, n: int) -> Stimulus:
    shown = {"picture": {"file": _file(study, "attack", n), "width": 224, "height": 224}, "ask": "saxophone"}
    label = ("accordion", "saxophone", "grand_piano")[n % 3]
    truth = {"image": f"{label}/{n:05}.png", "label": label, "true_label": "accordion", "flip_step": n % 7}
    truth |= {"fools_exactly": n % 2 == 0, "r2": n % 1000 / 1000, "n_positive": n % 40, "condition": condition.key}
    return Stimulus(
        study=study,
        condition=condition,
        number=n + 1,
        digest=digest([study.slug, n]),
        shown=shown,
        truth=truth,
        family=digest(n // 2),
        role=Role.MAIN,
    )


def _artifact(study: Study, kind: str, n: int) -> Artifact:
    recipe = {"kind": kind, "version": 1, "image": digest([study.slug, n]), "label": n % 3, "classifier": digest("c")}
    if kind == "attack":
        recipe["attack"] = {"method": "ifgsm", "version": 1, "parameters": {"step": 0.5, "eps": 8, "steps": 10}}
    files = {"picture": _file(study, kind, n)} if kind == "attack" else {"hidden": _file(study, kind, n)}
    value = {"width": 224, "height": 224, "label": 1, "flip_step": n % 7, "top": [[1, 0.5], [2, 0.25]]}
    return Artifact(
        digest=digest(recipe),
        kind=kind,
        recipe=recipe,
        state=Artifact.State.DONE,
        seconds=0.1,
        files=files,
        value=value,
    )


def _answer(study: Study, n: int) -> None:
    """The first slot of each stimulus filled, over the last days, by people of whom some finish and some leave."""
    consent, start = participation.current_consent(study), timezone.now() - timedelta(days=5)
    step = timedelta(days=5) / max(n, 1)
    people = Participant.objects.bulk_create(
        Participant(
            study=study,
            number=number + 1,
            token_sha256=digest([study.slug, number]),
            consent=consent,
            consented_at=start + number * PEOPLE_FOR_EACH * step,
            started_at=start + number * PEOPLE_FOR_EACH * step if number % 10 else None,
            finished_at=start + (number + 1) * PEOPLE_FOR_EACH * step if number % 10 > 1 else None,
            completion_code=f"CODE{number}",
        )
        for number in range(-(-n // PEOPLE_FOR_EACH))
    )
    slots = list(study.slots.filter(slot_no=1).order_by("rank"))
    Trial.objects.bulk_create(
        (
            Trial(
                study=study,
                participant=people[i // PEOPLE_FOR_EACH],
                stimulus_id=slot.stimulus_id,
                position=i % PEOPLE_FOR_EACH + 1,
                claimed_at=start + i * step,
                presented_at=start + i * step,
                answered_at=start + i * step + timedelta(seconds=3),
                answer="yes",
                response_ms=1500 + i % 1000,
                counted=True,
                family="",
            )
            for i, slot in enumerate(slots)
        ),
        batch_size=2000,
    )
    given = Trial.objects.filter(stimulus=OuterRef("stimulus")).values("pk")[:1]
    study.slots.filter(slot_no=1).update(filled=True, holder=Subquery(given))
