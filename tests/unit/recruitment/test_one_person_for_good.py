"""One recruiter's id withdraws and comes again, and again: it is one person of a panel all the same."""

import pytest
from django.db import connection
from django.test import Client

from studies import participation
from studies.models import Participant, Tombstone, Trial
from studies.participation import tombstones
from studies.recruitment import arrivals
from tests.factories import open_study
from tests.participant_client import Visitor, heading
from tests.recruiters import COMES, PROLIFIC_PID, address, comes, from_prolific, recruits

pytestmark = pytest.mark.django_db

PANEL = 3


def attack(study, times: int) -> None:
    """Answer all there is, withdraw, and come again under the same id; answers stay, which is the default."""
    for n in range(times):
        visitor = comes(study, from_prolific(session=f"{n:024x}"))
        if visitor.get().status_code == 403:
            return
        visitor.begin().finish()
        participation.withdraw(visitor.participant)


def panels(study) -> list[int]:
    return [trials.count() for stimulus in study.stimuli.all() if (trials := stimulus.trials.filter(counted=True))]


def test_an_id_that_withdraws_and_comes_again_gives_one_answer_to_each_picture():
    study = recruits(open_study(2, PANEL), "prolific")
    attack(study, PANEL)
    assert panels(study) == [1, 1]
    # Others still find their places.
    comes(study, from_prolific("b" * 24)).begin().finish()
    assert panels(study) == [2, 2]


def test_without_tombstones_the_same_id_fills_whole_panels(monkeypatch):
    monkeypatch.setattr(tombstones, "bury", lambda person: None)
    study = recruits(open_study(2, PANEL), "prolific")
    attack(study, PANEL)
    assert panels(study) == [PANEL, PANEL]


@pytest.mark.parametrize("withdrawal", ["anonymise", "remove"])
def test_who_comes_again_is_told_so_and_has_nothing_stored(withdrawal):
    study = recruits(open_study(2, PANEL, withdrawal=withdrawal), "prolific")
    visitor = comes(study, from_prolific()).begin()
    participation.withdraw(visitor.participant)
    people = Participant.objects.count()
    again = Client().get(address(study, from_prolific(session="7" * 24)))
    assert (again.status_code, heading(again)) == (403, "You have withdrawn")
    assert Participant.objects.count() == people


def test_a_form_that_was_open_while_its_person_withdrew_enrols_nobody():
    study = recruits(open_study(2, PANEL), "prolific")
    waiting = comes(study, from_prolific())
    form = waiting.form()
    other_tab = comes(study, from_prolific()).begin()
    participation.withdraw(other_tab.participant)
    assert waiting.post(form).status_code == 403
    assert Participant.objects.count() == 1


def test_it_is_known_after_the_ids_were_deleted():
    study = recruits(open_study(2, PANEL), "prolific")
    visitor = comes(study, from_prolific()).begin()
    visitor.participant.arrivals.all().delete()
    participation.withdraw(visitor.participant)
    assert Client().get(address(study, from_prolific())).status_code == 403


def test_a_tombstone_names_nobody_and_is_of_one_study(settings):
    study, other = (recruits(open_study(1, PANEL), "prolific") for _ in range(2))
    visitor = comes(study, from_prolific()).begin()
    person, token = visitor.participant, visitor.path.split("/")[2]
    participation.withdraw(person)
    (digest,) = Tombstone.objects.values_list("digest", flat=True)
    assert digest not in (participation.token_hash(token), token, PROLIFIC_PID)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM studies_tombstone")
        assert [column[0] for column in cursor.description] == ["id", "digest", "study_id"]
    assert comes(other, from_prolific()).get().status_code == 200
    settings.RECRUIT_KEY = "another key, of more than 32 letters"
    assert not participation.is_buried(study, participation.token_hash(token))


def test_behind_an_open_link_nobody_is_remembered():
    study = open_study(1, PANEL)
    participation.withdraw(Visitor(study).begin().participant)
    assert not Tombstone.objects.exists()
    Visitor(study).begin().finish()
    assert Trial.objects.filter(counted=True).count() == 1


@pytest.mark.parametrize("key", list(COMES))
def test_every_recruiter_that_names_people_has_tombstones(key):
    study = recruits(open_study(1, PANEL), key)
    visitor = comes(study, COMES[key]()).begin()
    participation.withdraw(visitor.participant)
    assert Client().get(address(study, COMES[key](n=2))).status_code == 403
    assert arrivals.recruiter_of(study)[0].names_people
