"""A crowd at once: many processes enrol, claim and answer through the real functions; then the rows are counted.

Run as a program, with the database named by the environment, so that every process is a real one on a real engine.
Two processes share each group of people, as two tabs of one browser would.  Prints one JSON line.
"""

import argparse
import json
import multiprocessing
import os
import random
import time
import traceback
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.db.models import Count, F  # noqa: E402
from django.utils import timezone  # noqa: E402

from studies import lifecycle, participation, protocols  # noqa: E402
from studies.models import Condition, Participant, Slot, Stimulus, Study, Trial  # noqa: E402
from studies.participation import answering  # noqa: E402

SECOND = timedelta(seconds=1)


def make_study(n_stimuli: int, panel: int) -> Study:
    settings = {
        "classifier": "none",
        "answers_per_stimulus": panel,
        "threshold": 1,
        "trials_per_participant": n_stimuli,
    }
    design = protocols.get("rectified_labeling").clean(settings, catalogue=protocols.Catalogue({"none": ("red",)}))
    study = Study.objects.create(
        slug="crowd",
        title="Crowd",
        protocol="rectified_labeling",
        protocol_version=1,
        state=Study.State.READY,
        consent_text="I agree.",
        preparation={"images": 4 * n_stimuli, "errors": n_stimuli, "shown": n_stimuli},
        design=design,
    )
    condition = Condition.objects.create(study=study, key="errors")
    Stimulus.objects.bulk_create(
        Stimulus(study=study, condition=condition, number=i, digest=str(i), shown={}, truth={})
        for i in range(n_stimuli)
    )
    lifecycle.open_study(study)
    return study


def drop_constraints() -> None:
    with connection.schema_editor() as editor:
        for constraint in Trial._meta.constraints:
            if constraint.name in {"nobody_meets_a_stimulus_twice", "one_trial_a_position"}:
                editor.remove_constraint(Trial, constraint)


def drop_lock() -> None:
    """Two tabs of one person no longer take turns: only constraints keep them apart."""
    rows = Participant.objects.select_related("study", "arm")
    answering.locked = lambda participant: rows.get(pk=participant.pk)


def visit(people: list[int], seed: int, other_tab, errors) -> None:
    """One tab: answer what is shown, sometimes twice, sometimes leave; now and then a lease runs out."""
    dice = random.Random(seed)
    try:
        for pk in people:
            person = Participant.objects.select_related("study").get(pk=pk)
            other_tab.wait(timeout=60)
            while trial := participation.current_trial(person):
                if dice.random() < 0.02:
                    break
                if dice.random() < 0.1:
                    run_out_a_lease(dice)
                value = dice.choice(["yes", "no"])
                participation.answer(person, trial.pk, value, response_ms=1000)
                if dice.random() < 0.1:
                    participation.answer(person, trial.pk, "yes", response_ms=1)
    except Exception:
        errors.put(traceback.format_exc())


def run_out_a_lease(dice: random.Random) -> None:
    held = list(Slot.objects.filter(filled=False, holder__isnull=False).values_list("pk", flat=True))
    if held:
        Slot.objects.filter(pk=dice.choice(held), filled=False).update(leased_until=timezone.now() - SECOND)


def run_crowd(study: Study, *, processes: int, people: int) -> tuple[list[str], float]:
    consent = participation.current_consent(study)
    ids = [participation.enrol(study, consent=consent)[0].pk for _ in range(people)]
    # Everybody waits at a paused study and comes back at once, in both tabs, when it goes on: then nothing but a lock
    # and the constraints keeps the two tabs of one person apart.
    lifecycle.pause_study(study)
    for person in Participant.objects.filter(pk__in=ids):
        participation.start(person)
    lifecycle.open_study(study)
    groups = [ids[i :: processes // 2] for i in range(processes // 2)]
    pairs = [multiprocessing.Barrier(2) for _ in groups]
    errors = multiprocessing.SimpleQueue()
    connections.close_all()
    started = time.monotonic()
    tabs = [
        multiprocessing.Process(target=visit, args=(groups[i // 2], i, pairs[i // 2], errors))
        for i in range(processes // 2 * 2)
    ]
    for tab in tabs:
        tab.start()
    seconds = 0.0
    found = []
    while any(tab.is_alive() for tab in tabs) or not errors.empty():
        while not errors.empty():
            found.append(errors.get())
        time.sleep(0.05)
        seconds = time.monotonic() - started
    return found, seconds


def fill_up(study: Study) -> None:
    """Some left: people who come later, one after the other, get exactly what is still wanted."""
    Slot.objects.filter(filled=False).update(leased_until=timezone.now() - SECOND)
    consent = participation.current_consent(study)
    for _ in range(1000):
        if not Slot.objects.filter(filled=False).exists():
            return
        person, _ = participation.enrol(study, consent=consent)
        participation.start(person)
        while trial := participation.current_trial(person):
            participation.answer(person, trial.pk, "yes")


def count(study: Study, panel: int) -> dict[str, int]:
    counted = Trial.objects.filter(counted=True)
    per_stimulus = counted.values("stimulus").annotate(n=Count("pk"), people=Count("participant", distinct=True))
    right = per_stimulus.filter(n=panel, people=panel).count()
    met_twice = Trial.objects.values("stimulus", "participant").annotate(n=Count("pk")).filter(n__gt=1)
    return {
        "stimuli": study.stimuli.count(),
        "exactly_filled": right,
        "over_filled": per_stimulus.filter(n__gt=panel).count(),
        "met_twice": met_twice.count(),
        "counted": counted.count(),
        "filled_slots": Slot.objects.filter(filled=True).count(),
        "filled_by_uncounted": Slot.objects.filter(filled=True, holder__counted=False).count(),
        "filled_by_another_stimulus": Slot.objects.filter(filled=True).exclude(holder__stimulus=F("stimulus")).count(),
        "late": Trial.objects.filter(exclusion="late").count(),
        "repositions": Trial.objects.values("participant", "position").annotate(n=Count("pk")).filter(n__gt=1).count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stimuli", type=int, default=30)
    parser.add_argument("--panel", type=int, default=5)
    parser.add_argument("--people", type=int, default=48)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--drop-constraints", action="store_true", help="without the unique constraints")
    parser.add_argument("--drop-lock", action="store_true", help="without the lock of the participant's row")
    parser.add_argument("--deferred", action="store_true", help="a negative control: SQLite as Django has it")
    options = parser.parse_args()
    if options.deferred:
        connection.settings_dict["OPTIONS"] = {"transaction_mode": "DEFERRED"}
    call_command("migrate", verbosity=0)
    study = make_study(options.stimuli, options.panel)
    if options.drop_constraints:
        drop_constraints()
    if options.drop_lock:
        drop_lock()
    errors, seconds = run_crowd(study, processes=options.processes, people=options.people)
    fill_up(study)
    print(json.dumps({**count(study, options.panel), "errors": errors, "seconds": round(seconds, 2)}))


if __name__ == "__main__":
    main()
