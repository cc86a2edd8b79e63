"""A study is added in two steps and its design changed until it opens; mistakes are shown in place, nothing stored."""

import pytest
from django.urls import reverse

from studies import lifecycle
from studies.models import Study
from studies.protocols.base.session_form import LATER, SessionForm
from tests.factories import CLASSES, make_classifier, make_image_set, make_study, open_study
from tests.logged_in_users import researcher, said, staff, text

pytestmark = pytest.mark.django_db

ADD = "/admin/studies/study/add/"
FIRST = {"title": "Cats & dogs", "slug": "cats", "protocol": "rectified_labeling"}
SECOND = reverse("admin:studies_study_add_design", query=FIRST)


@pytest.fixture
def design() -> dict:
    """What a browser sends from the second step, filled in as it comes."""
    return {
        "classifier": make_classifier(make_image_set(), "net").name,
        "answers_per_stimulus": "5",
        "threshold": "4",
        "trials_per_participant": "50",
        "top_k": "1",
        "seed": "0",
        "classes": "",
        "sample": "",
    }


def change(study: Study) -> str:
    return reverse("admin:studies_study_design", args=[study.pk])


def test_the_first_step_leads_to_the_second_and_stores_nothing(design):
    client = researcher()
    assert "Rectified labelling" in text(client.get(ADD))
    response = client.post(ADD, FIRST)
    assert (response.status_code, response["Location"]) == (302, SECOND)
    assert "Cats & dogs Step 2 of 2" in text(client.get(SECOND))
    assert not Study.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"title": ""}, "This field is required."),
        ({"slug": ""}, "This field is required."),
        ({"slug": "cats and dogs"}, "Enter a valid “slug”"),
        ({"slug": "taken"}, "There is already a study with this short name."),
        ({"protocol": ""}, "This field is required."),
        ({"protocol": "other"}, "Select a valid choice."),
    ],
)
def test_mistakes_in_the_first_step_are_shown_in_place(wrong, line):
    make_study(slug="taken")
    response = researcher().post(ADD, FIRST | wrong)
    assert response.status_code == 200
    assert line in response.context["form"].errors[next(iter(wrong))][0]
    assert Study.objects.count() == 1


def test_the_second_step_makes_a_draft(design):
    client = researcher()
    response = client.post(SECOND, design | {"classes": "\n".join(CLASSES[:2]), "sample": "20"}, follow=True)
    study = Study.objects.get()
    assert response.redirect_chain == [(f"/admin/studies/study/{study.pk}/change/", 302)]
    assert said(response) == ["Cats & dogs is a draft now. Prepare it next."]
    assert (study.slug, study.title, study.state) == ("cats", "Cats & dogs", Study.State.DRAFT)
    assert study.owner == response.context["user"]
    session = {name: field.initial for name, field in SessionForm.base_fields.items()}
    # These came later: where they have their defaults, a design is what it was before.
    for name in LATER:
        del session[name]
    # A switch that is not sent is off.
    assert study.design == session | {
        "reopen_screened": False,
        "classifier": "net",
        "classifiers": [],
        "answers_per_stimulus": 5,
        "threshold": 4,
        "unequal_panels": "drop",
        "estimand": "this image set",
        "trials_per_participant": 50,
        "top_k": 1,
        "selection": "top1_errors",
        "asking": "one_question",
        "classes": list(CLASSES[:2]),
        "sample": 20,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"threshold": "6"}, "Must not be above answers_per_stimulus, which is 5."),
        ({"threshold": "four"}, "Enter a whole number."),
        ({"classifier": "other"}, "other is not the name of a classifier (there are: net)."),
        ({"classes": "unicorn"}, "This classifier has no class unicorn."),
        ({"sample": "0"}, "Ensure this value is greater than or equal to 1."),
    ],
)
def test_mistakes_in_the_design_are_shown_in_place_and_keep_what_was_written(design, wrong, line):
    response = researcher().post(SECOND, design | {"trials_per_participant": "77"} | wrong)
    name = next(iter(wrong))
    assert (response.status_code, response.context["form"].errors[name]) == (200, [line])
    assert line in text(response)
    assert 'value="77"' in response.content.decode()
    assert not Study.objects.exists()


def test_the_second_step_goes_back_when_the_first_does_not_hold(design):
    client = researcher()
    make_study(slug="cats")
    for method in (client.get, client.post):
        response = method(SECOND, follow=True)
        assert response.redirect_chain[0][0].startswith(ADD)
        assert said(response) == ["There is already a study with this short name."]
        assert 'value="Cats &amp; dogs"' in response.content.decode()
    assert Study.objects.count() == 1


def test_without_a_classifier_the_second_step_says_which_command_to_run():
    page = researcher().get(SECOND)
    assert "No classifier yet." in text(page)
    assert reverse("admin:studies_classifier_changelist") in page.content.decode()


def test_adding_needs_its_permission(design):
    client = staff("view_study", "change_study")
    assert [client.get(ADD).status_code, client.post(SECOND, design).status_code] == [403, 403]
    assert staff("add_study", "view_study").post(SECOND, design).status_code == 302


def test_a_protocols_form_keeps_its_limits_in_the_themes_widgets(design):
    form = researcher().get(SECOND).context["form"]
    assert {"min": 1, "max": 99}.items() <= form["answers_per_stimulus"].field.widget.attrs.items()
    assert form["classes"].field.widget.attrs["rows"] == 4
    assert '<option value="net">net</option>' in str(form["classifier"])


def test_a_changed_design_has_to_be_prepared_again(design):
    study = make_study(3)
    changed = design | {"classifier": study.design["classifier"], "threshold": "2"}
    response = researcher().post(change(study), changed, follow=True)
    study.refresh_from_db()
    assert said(response) == ["The design is changed. Prepare the study before opening it."]
    assert (study.design["threshold"], study.state) == (2, Study.State.DRAFT)


def test_saving_the_same_design_keeps_what_is_prepared(design):
    study = make_study(3)
    same = {name: "" if value in (None, []) else str(value) for name, value in study.design.items()}
    response = researcher().post(change(study), same, follow=True)
    study.refresh_from_db()
    assert (said(response), study.state) == (["The design is unchanged."], Study.State.READY)


def test_the_design_of_an_open_study_cannot_be_changed(design):
    study = open_study(3)
    before = study.design
    client = researcher()
    for response in (
        client.get(change(study), follow=True),
        client.post(change(study), design | {"threshold": "1"}, follow=True),
    ):
        assert said(response) == [f"Study {study.slug} is open: its design can no longer be changed."]
    study.refresh_from_db()
    assert study.design == before
    assert "Change the design" not in text(client.get(f"/admin/studies/study/{study.pk}/change/"))


def test_a_study_that_opens_while_its_design_is_edited_keeps_its_design(design, monkeypatch):
    study = make_study(3)
    before = dict(study.design)
    changing = lifecycle.change_design

    def too_late(row, changed, **by):
        lifecycle.open_study(study)
        changing(row, changed, **by)

    monkeypatch.setattr(lifecycle, "change_design", too_late)
    response = researcher().post(change(study), design | {"threshold": "1"})
    assert "is open: its design can no longer be changed" in text(response)
    study.refresh_from_db()
    assert (study.design, study.state) == (before, Study.State.OPEN)


def test_changing_needs_its_permission(design):
    study = make_study(3)
    assert staff("view_study", sees=study).get(change(study)).status_code == 403
