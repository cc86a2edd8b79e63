"""Image sets and studies as rows, without PyTorch: what `import_*` and `prepare` would have left behind."""

from datetime import timedelta
from itertools import count

import numpy as np
from django.utils import timezone

from explainers.images import encode_png
from studies import lifecycle, participation, protocols, storage
from studies.models import (
    Classifier,
    Condition,
    Image,
    ImageClass,
    ImageSet,
    Participant,
    Slot,
    Stimulus,
    Study,
    Trial,
)
from studies.workbench.recipes import digest

CLASSES = ("accordion", "saxophone", "grand_piano")
_numbers = count(1)


def make_picture(seed: int, side: int = 32) -> bytes:
    """A PNG of `side` by `side` random pixels."""
    return encode_png(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def make_image_set(name: str = "", *, classes: tuple[str, ...] = CLASSES, n_images: int = 12, side: int = 32):
    """An image set whose n-th image is of the n-th class, in turn."""
    image_set = ImageSet.objects.create(name=name or f"things-{next(_numbers)}")
    ImageClass.objects.bulk_create(
        ImageClass(image_set=image_set, index=i, name=label, title=label.replace("_", " "))
        for i, label in enumerate(classes)
    )
    rows = []
    for n in range(n_images):
        file = storage.store("images", make_picture(n, side), ".png")
        label = n % len(classes)
        path, sha256 = f"{classes[label]}/{n:03}.png", file.split("/")[-1].removesuffix(".png")
        rows.append(
            Image(image_set=image_set, label=label, path=path, sha256=sha256, file=file, width=side, height=side)
        )
    Image.objects.bulk_create(rows)
    return image_set


def make_classifier(image_set: ImageSet, name: str = "") -> Classifier:
    """A classifier as a row; nothing can be computed with it."""
    name = name or f"net-{next(_numbers)}"
    return Classifier.objects.create(
        name=name,
        image_set=image_set,
        source={"module": "classifiers/none.py", "factory": "none"},
        preprocessing={"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3},
        state_digest=digest(name),
        digest=digest({"name": name}),
        n_outputs=image_set.classes.count(),
    )


def make_study(n_stimuli: int = 3, answers_per_stimulus: int = 5, *, slug: str = "", side: int = 32, **design) -> Study:
    """A rectified study, ready to open, in which each image is taken for the next class (then the one after it)."""
    # Of another name in each process that makes a study of its own; nobody may learn the study's from it.
    own = slug and digest(slug)[:8]
    image_set = make_image_set(own and f"things-{own}", n_images=min(n_stimuli, 12), side=side)
    design = {
        "classifier": make_classifier(image_set, own and f"net-{own}").name,
        "answers_per_stimulus": answers_per_stimulus,
        "threshold": max(1, answers_per_stimulus - 1),
        "trials_per_participant": n_stimuli,
        **design,
    }
    study = lifecycle.create_study(
        slug=slug or f"study-{next(_numbers)}", protocol="rectified_labeling", design=design, title="Pictures and words"
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

    def says(stimulus: Stimulus) -> tuple[str, int] | None:
        answer, seconds = kind.simulated_answer(study.design, stimulus.truth, None, random)
        return None if random.random() < missing else (answer, round(1000 * seconds))

    fill_slots(study, people, says)
    lifecycle.close_study(study)
    study.refresh_from_db()
    return study


def fill_slots(study: Study, people: int, says) -> None:
    """Every slot filled, in order of stimuli, by people who take turns; `says`: answer and milliseconds, or None."""
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
        answer, took = said
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
                response_ms=took,
                counted=not exclusion,
                exclusion=exclusion,
            )
        )
        filled.append(slot)
    for slot, trial in zip(filled, Trial.objects.bulk_create(trials, batch_size=2000), strict=True):
        slot.holder, slot.filled = trial, trial.counted
    Slot.objects.bulk_update(filled, ["holder", "filled"], batch_size=200)
