"""An answer while a study is closed, and web servers whose clocks differ; a program that prints one JSON line."""

import argparse
import json
import os
import threading
import time
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
#: Seconds that an answer is on its way while the study is being closed.
ON_THE_WAY = 2
HOUR = timedelta(hours=1)


def in_a_thread(work) -> threading.Thread:
    from django.db import connections

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def answer_while_closing(*, without_lock: bool) -> dict:
    """An answer that has read that its study is open, and is stored ON_THE_WAY seconds later."""
    from studies import lifecycle, participation
    from studies.models import Study, Trial
    from studies.participation import answering, queries
    from tests.factories import open_study

    if without_lock:
        queries.LOCKS = " FOR NO KEY UPDATE OF person"
    study = open_study(1, 1)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    late, _token = participation.enrol(study, consent=participation.current_consent(study))
    trial = participation.start(person).shown
    reading, store, refused = threading.Event(), answering._store, []

    def slowly(*arguments) -> None:
        reading.set()
        time.sleep(ON_THE_WAY)
        store(*arguments)

    answering._store = slowly
    answers = in_a_thread(lambda: participation.answer(person, trial.pk, "yes"))
    reading.wait()
    lifecycle.close_study(Study.objects.get(pk=study.pk))
    answers.join()
    answering._store = store
    try:
        participation.answer(late, trial.pk, "yes")
    except participation.AnswerRefused as error:
        refused.append(type(error).__name__)
    trial, study = Trial.objects.get(pk=trial.pk), Study.objects.get(pk=study.pk)
    after = trial.answered_at is not None and trial.answered_at > study.closed_at
    return {"after_closing": after, "counted": trial.counted, "state": study.state}


def clocks_that_differ(*, own_clock: bool) -> dict:
    """A web server that is an hour ahead begins a second visit, and one that is right goes on with it."""
    from django.utils import timezone

    from studies import lifecycle, participation
    from studies.models import Participant
    from studies.participation import clock
    from studies.simulation import age
    from tests.bench import made_up_study

    study = made_up_study("adversarial_trials", {"threshold": 1, "trials_per_participant": 4, "washout_days": 1})
    lifecycle.open_study(study)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    while shown := participation.current_trial(person):
        participation.answer(person, shown.pk, "yes")
    age(person, timedelta(days=1) - HOUR / 2)
    right = timezone.now
    if own_clock:
        clock.set_to = lambda moment: None

    def as_of_now() -> Participant:
        return Participant.objects.select_related("study", "arm").get(pk=person.pk)

    errors = []
    for ahead in (HOUR, timedelta(0)):
        timezone.now = lambda ahead=ahead: right() + ahead
        try:
            participation.start(as_of_now())
            shown = participation.current_trial(as_of_now())
            participation.answer(as_of_now(), shown.pk, "yes")
        except Exception as error:  # whatever it is, it is what a participant would run into
            errors.append(type(error).__name__)
    return {"errors": errors, "visit": as_of_now().visit}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["closing", "clocks"])
    parser.add_argument("--without", action="store_true", help="a negative control")
    asked = parser.parse_args()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    if asked.what == "closing":
        said = answer_while_closing(without_lock=asked.without)
    else:
        said = clocks_that_differ(own_clock=asked.without)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
