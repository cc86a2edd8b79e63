"""A study with very many rows and what it is made of, written directly: what the desk's pages have to be fast with."""

import hashlib
from datetime import timedelta

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from studies import lifecycle, participation
from studies.lib import storage
from studies.lib.canonical_json import digest
from studies.models import (
    Artifact,
    Classifier,
    ClassifierEvaluation,
    Condition,
    Event,
    Image,
    Import,
    ImportedFile,
    Misclassification,
    Participant,
    Role,
    Stimulus,
    Study,
    Trial,
)
from tests.bench import made_up_study
from tests.factories import make_classifier, make_image_set, make_picture, without_doubts

CONDITIONS = ("whole", "explanation")
PEOPLE_FOR_EACH = 100
#: As in ImageNet's validation set; at most so many classes.
IMAGES_OF_A_CLASS, MOST_CLASSES = 50, 1000


def large_classifier(n_images: int = 50_000) -> Classifier:
    """A classifier of so many images, one in five of which it gets wrong; checked, and brought in with a report."""
    n_classes = min(MOST_CLASSES, max(3, n_images // IMAGES_OF_A_CLASS))
    image_set = make_image_set(classes=tuple(f"class-{n:03}" for n in range(n_classes)), n_images=0)
    # The photographs share a file: only their rows have to be many.
    file = storage.store("images", make_picture(1), ".png")
    images = Image.objects.bulk_create(
        (
            Image(
                image_set=image_set,
                label=n % n_classes,
                path=f"class-{n % n_classes:03}/{n:05}.png",
                sha256=digest([image_set.name, n]),
                file=file,
                width=32,
                height=32,
            )
            for n in range(n_images)
        ),
        batch_size=2000,
    )
    classifier = make_classifier(image_set)
    wrong = images[::5]
    pairs = [[label, label, 4 * n_images // (5 * n_classes)] for label in range(n_classes)]
    pairs += [[label, (label + 1) % n_classes, len(wrong) // n_classes] for label in range(n_classes)]
    result = {"images": n_images, "failed": 0, "right": n_images - len(wrong), "among_five": n_images - len(wrong) // 2}
    result |= {"accuracy": 0.8, "low": 0.79, "high": 0.81, "pairs": pairs}
    check = ClassifierEvaluation.objects.create(
        classifier=classifier, state=ClassifierEvaluation.State.DONE, result=result
    )
    Misclassification.objects.bulk_create(
        (
            Misclassification(
                evaluation=check, image=one, label=one.label, predicted=(one.label + 1) % n_classes, probability=0.9
            )
            for one in wrong
        ),
        batch_size=2000,
    )
    source = {"upload": "uploads/none.zip", "called": "none.zip"}
    run = Import.objects.create(
        kind=Import.Kind.IMAGES, name=image_set.name, source=source, state=Import.State.REVIEW, total=n_images
    )
    ImportedFile.objects.bulk_create(
        (
            ImportedFile(run=run, number=n, path=one.path, label="a class", refused="" if n % 5 else "too small")
            for n, one in enumerate(images)
        ),
        batch_size=2000,
    )
    return classifier


def large_study(n_stimuli: int = 50_000, panel: int = 2, classifier: Classifier | None = None) -> Study:
    """An open study of attacked images, the first slot of each filled, with the artifacts of each stimulus."""
    classifier = classifier or without_doubts(make_classifier(make_image_set(n_images=6)))
    design = {"classifier": classifier.name, "answers_per_stimulus": panel, "threshold": 1}
    study = lifecycle.create_study(slug=f"large-{classifier.pk}", protocol="adversarial_trials", design=design)
    conditions = [Condition.objects.create(study=study, key=key) for key in CONDITIONS]
    Stimulus.objects.bulk_create((_stimulus(study, conditions[n % 2], n) for n in range(n_stimuli)), batch_size=2000)
    # A study is opened only with the files that its participants are shown.
    storage.store_all("artifacts", [(_bytes(study, "attack", n), ".png") for n in range(n_stimuli)])
    made = Artifact.objects.bulk_create(
        (_artifact(study, kind, n) for n in range(n_stimuli) for kind in ("prediction", "attack")), batch_size=2000
    )
    link = Study.artifacts.through
    link.objects.bulk_create((link(study_id=study.pk, artifact_id=one.pk) for one in made), batch_size=2000)
    study.state, study.prepared_at = Study.State.READY, timezone.now()
    # What preparing found is as long whatever the size of a study; its counts are the study's.
    pairs = n_stimuli // 2
    counts = {"images": 4 * pairs, "errors": pairs, "attacked": 3 * pairs, "flipped": pairs, "flipped_exactly": pairs}
    counts |= {"surviving_display": pairs, "adversarial_errors": 2 * pairs, "drawn": pairs, "shown": pairs}
    study.preparation = made_up_study("adversarial_trials").preparation | counts
    study.save()
    lifecycle.open_study(study)
    _answer(study, n_stimuli)
    Event.objects.bulk_create(
        (
            Event(study=study, slug=study.slug, at=timezone.now(), who="ada", what=Event.What.TEXTS, details={"n": n})
            for n in range(n_stimuli // 50)
        ),
        batch_size=2000,
    )
    return study


def prepared_like(study: Study) -> Study:
    """A study of as many stimuli that was never open."""
    copy, made = Study.objects.get_or_create(
        slug=f"{study.slug}-prepared",
        defaults={name: getattr(study, name) for name in ("title", "protocol", "design", "preparation")}
        | {"state": Study.State.READY, "protocol_version": study.protocol_version},
    )
    if made:
        condition = Condition.objects.create(study=copy, key=CONDITIONS[0])
        n_stimuli = study.stimuli.count()
        Stimulus.objects.bulk_create((_stimulus(copy, condition, n) for n in range(n_stimuli)), batch_size=2000)
    return copy


def _bytes(study: Study, what: str, n: int) -> bytes:
    """Stand in for a picture: as short as can be, and like no other."""
    return f"{study.slug} {what} {n}".encode()


def _file(study: Study, what: str, n: int) -> str:
    name = hashlib.sha256(_bytes(study, what, n)).hexdigest()
    return f"artifacts/{name[:2]}/{name}.png"


def _stimulus(study: Study, condition: Condition, n: int) -> Stimulus:
    shown = {"picture": {"file": _file(study, "attack", n), "width": 224, "height": 224}, "ask": "saxophone"}
    # One image in both conditions.
    label = ("accordion", "saxophone", "grand_piano")[n // 2 % 3]
    truth = {"image": f"{label}/{n // 2:05}.png", "label": label, "true_label": "accordion", "flip_step": n % 7}
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
