"""Duplicating, archiving, deleting, and having rehearsed: what each changes, who it is told of, and what stays."""

import pytest
from django.urls import reverse

from studies import lifecycle, participation
from studies.admin.study.descriptions import rehearsed_at, stages
from studies.lib.errors import StudyError
from studies.models import Event, Study
from tests.factories import answered_study, make_study, open_study
from tests.logged_in_users import researcher, said, staff, text

pytestmark = pytest.mark.django_db

State = Study.State


def at(study: Study, name: str = "change") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def kinds_of(study: Study) -> list[str]:
    return list(study.events.values_list("what", flat=True))


def closed_study() -> Study:
    study = open_study(2)
    lifecycle.close_study(study)
    return study


# --- duplicating ------------------------------------------------------------------------------------------------------


def test_a_duplicate_is_a_draft_of_whoever_made_it_with_design_and_texts_alone():
    study = answered_study(3, 2, 4)
    Study.objects.filter(pk=study.pk).update(consent_text="Do you agree?")
    client = researcher()
    response = client.post(at(study, "duplicate"), {"title": "Once more", "slug": "once-more"}, follow=True)
    copy = Study.objects.get(slug="once-more")
    assert "is a draft now" in said(response)[0]
    assert (copy.state, copy.title, copy.design, copy.consent_text) == (
        State.DRAFT,
        "Once more",
        study.design,
        "Do you agree?",
    )
    assert copy.owner.username.startswith("researcher-")
    assert [rows.count() for rows in (copy.stimuli, copy.participants, copy.slots)] == [0, 0, 0]
    assert (copy.opened_at, copy.frozen, copy.link == study.link) == (None, None, False)
    assert kinds_of(copy) == ["created"]
    assert study.events.get(what="duplicated").details == {"copy": "once-more"}


def test_a_duplicate_says_first_what_it_will_be_and_needs_a_free_name():
    study = make_study(2)
    client = researcher()
    assert "Stimuli, participants, answers, shares and rehearsals are not copied" in text(
        client.get(at(study, "duplicate"))
    )
    refused = client.post(at(study, "duplicate"), {"title": "Same", "slug": study.slug})
    assert "There is already a study with this short name." in text(refused)
    assert Study.objects.count() == 1


def test_whoever_may_not_add_studies_duplicates_none():
    study = make_study(2)
    client = staff("view_study", "change_study", sees=study)
    assert client.post(at(study, "duplicate"), {"title": "Mine", "slug": "mine"}).status_code == 403
    assert Study.objects.count() == 1


# --- archiving --------------------------------------------------------------------------------------------------------


def test_an_archived_study_is_left_out_of_lists_and_comes_back():
    study, client = closed_study(), researcher()
    client.post(at(study, "archive"))
    for address in ("/admin/", "/admin/studies/study/"):
        assert study.slug not in client.get(address).content.decode()
    assert study.slug in client.get("/admin/studies/study/?archive=yes").content.decode()
    page = text(client.get(at(study)))
    assert "Archived" in page
    assert "Take out of the archive" in page
    client.post(at(study, "unarchive"))
    assert study.slug in client.get("/admin/studies/study/").content.decode()
    assert kinds_of(study)[-2:] == ["archived", "unarchived"]


def test_an_archived_study_is_closed_to_participants_and_open_to_its_results():
    study, client = answered_study(4, 2, 4), researcher()
    lifecycle.archive_study(study)
    assert client.get(at(study, "results")).status_code == 200
    assert client.get(at(study, "export")).headers["Content-Type"] == "application/zip"
    assert client.get(reverse("studies:join", args=[study.link])).status_code == 410


@pytest.mark.parametrize("state", [State.READY, State.OPEN])
def test_only_a_closed_study_is_archived(state):
    study = make_study(2) if state == State.READY else open_study(2)
    with pytest.raises(StudyError, match="only a closed study can be archived"):
        lifecycle.archive_study(study)
    assert study.archived_at is None
    assert "archived" not in kinds_of(study)


def test_an_archived_study_is_archived_once():
    study = closed_study()
    lifecycle.archive_study(study)
    with pytest.raises(StudyError, match="archived already"):
        lifecycle.archive_study(study)


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_a_study_that_was_open_and_that_nobody_answered_can_be_deleted():
    study, client = closed_study(), researcher()
    slug = study.slug
    page = text(client.get(at(study, "delete")))
    assert "Deleting cannot be undone." in page
    assert "2 stimuli" in page
    client.post(at(study, "delete"), {"post": "yes"})
    assert not Study.objects.filter(slug=slug).exists()
    assert Event.objects.filter(slug=slug, what="deleted").exists()


def test_a_study_somebody_has_begun_is_never_deleted():
    study = open_study(2)
    participation.enrol(study, consent=participation.current_consent(study))
    lifecycle.close_study(study)
    with pytest.raises(StudyError, match="people have taken part"):
        lifecycle.delete_study(study)
    client = researcher()
    for answer in (client.get(at(study, "delete")), client.post(at(study, "delete"), {"post": "yes"})):
        assert answer.url == at(study)
    page = text(client.get(at(study)))
    assert "cannot be deleted: people have taken part" in page
    assert "Delete this study" not in page
    assert Study.objects.filter(pk=study.pk).exists()


def test_an_open_study_is_not_deleted_even_while_nobody_is_there():
    study = open_study(2)
    with pytest.raises(StudyError, match="close it first"):
        lifecycle.delete_study(study)
    client = researcher()
    assert client.post(at(study, "delete"), {"post": "yes"}).url == at(study)
    assert "close it first" in text(client.get(at(study)))
    assert Study.objects.filter(pk=study.pk).exists()


# --- rehearsed --------------------------------------------------------------------------------------------------------


def rehearsal(study: Study) -> Study:
    copy = lifecycle.copy_for_rehearsal(study)
    lifecycle.open_study(copy)
    lifecycle.close_study(copy)
    return copy


def prepared() -> Study:
    study = make_study(2)
    study.prepared_at = study.created_at
    study.save(update_fields=["prepared_at"])
    return study


def current(study: Study) -> list[str]:
    return [stage["name"] for stage in stages(study) if stage["current"]]


def test_a_study_is_rehearsed_when_a_rehearsal_of_it_is_over():
    study = prepared()
    assert current(study) == ["Prepared"]
    copy = lifecycle.copy_for_rehearsal(study)
    lifecycle.open_study(copy)
    assert rehearsed_at(study) is None
    lifecycle.close_study(copy)
    assert rehearsed_at(study) == copy.closed_at
    assert current(study) == ["Rehearsed"]
    assert "It has been rehearsed as it is." in text(researcher().get(at(study, "open")))


def test_a_study_prepared_anew_is_not_rehearsed_any_more():
    study = prepared()
    rehearsal(study)
    study.prepared_at = study.rehearsals.get().closed_at
    study.save(update_fields=["prepared_at"])
    assert rehearsed_at(study) is None
    assert "It has not been rehearsed as it is" in text(researcher().get(at(study, "open")))


def test_a_rehearsal_has_no_station_for_rehearsing():
    copy = rehearsal(prepared())
    assert [stage["name"] for stage in stages(copy)] == ["Designed", "Prepared", "Open", "Closed"]
