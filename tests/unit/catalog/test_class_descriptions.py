"""The words participants read can be edited, with a gloss and an example; what was prepared keeps its words."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from studies import lifecycle
from studies.catalog import class_descriptions
from studies.lib.errors import StudyError
from studies.models import Event, ImageSet, Study
from studies.preparation.values import Gloss, ImageRef, Picture
from studies.protocols.shared.class_glosses import glossed
from tests.factories import make_image_set, make_study
from tests.logged_in_users import researcher, said, staff, text
from tests.participant_client import Visitor
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db


def prepared_study(tmp_path, **words) -> Study:
    """A study of a real network over an image set whose first class has such words."""
    from studies import preparation

    image_set = make_image_set(n_images=12)
    if words:
        class_descriptions.change_words(image_set, dict.fromkeys(range(3), words))
    import_small("net", image_set.name, tmp_path)
    study = lifecycle.create_study(slug="words", protocol="rectified_labeling", design={"classifier": "net"})
    preparation.prepare(study)
    return study


def test_titles_and_glosses_are_edited_at_the_desk():
    image_set = make_image_set("things")
    client = researcher()
    address = reverse("admin:studies_imageset_classes", args=[image_set.pk])
    words = {f"{i}-title": f"title {i}" for i in range(3)} | {f"{i}-gloss": "" for i in range(3)}
    page = client.post(address, words | {"1-gloss": "a reed instrument"}, follow=True)
    assert "The words are saved" in text(page) or page.context["messages"]
    assert list(image_set.classes.values_list("name", "title", "gloss")) == [
        ("accordion", "title 0", ""),
        ("saxophone", "title 1", "a reed instrument"),
        ("grand_piano", "title 2", ""),
    ]
    assert "a reed instrument" in text(client.get(reverse("admin:studies_imageset_change", args=[image_set.pk])))


def test_an_empty_title_is_refused_in_place():
    image_set = make_image_set("things")
    address = reverse("admin:studies_imageset_classes", args=[image_set.pk])
    page = researcher().post(address, {"0-title": " ", "1-title": "b", "2-title": "c"})
    assert "This field is required" in text(page)
    assert image_set.classes.get(index=1).title == "saxophone"


def test_an_example_is_an_image_of_the_class():
    image_set = make_image_set("things", n_images=12)
    client, address = researcher(), reverse("admin:studies_imageset_example", args=[image_set.pk, 1])
    fitting, other = image_set.images.filter(label=1)[0], image_set.images.filter(label=2)[0]
    assert client.get(address).status_code == 200
    client.post(address, {"example": other.pk})
    assert image_set.classes.get(index=1).example is None
    client.post(address, {"example": fitting.pk})
    assert image_set.classes.get(index=1).example == fitting
    with pytest.raises(StudyError, match="must be an image of the class"):
        class_descriptions.change_words(image_set, {1: {"example": other}})
    client.post(address, {"example": ""})
    assert image_set.classes.get(index=1).example is None


def test_editing_words_needs_its_permission():
    image_set = make_image_set()
    for name, args in (("classes", []), ("example", [0])):
        address = reverse(f"admin:studies_imageset_{name}", args=[image_set.pk, *args])
        assert staff("view_imageset").post(address, {"0-title": "x", "example": ""}).status_code == 403
        assert staff("view_imageset", "change_imageset").get(address).status_code == 200


def test_what_is_ready_is_a_draft_again_and_what_is_open_never_changes():
    ready, opened = make_study(2), make_study(2)
    lifecycle.open_study(opened, anyway=True)
    before = list(opened.stimuli.values_list("shown", flat=True))
    for study in (ready, opened):
        image_set = ImageSet.objects.get(classifiers__name=study.design["classifier"])
        again = class_descriptions.change_words(image_set, {0: {"title": "another"}})
        assert again == ([study] if study == ready else [])
        study.refresh_from_db()
    assert (ready.state, "prepare it again" in ready.problem) == (Study.State.DRAFT, True)
    assert opened.state == Study.State.OPEN
    assert list(opened.stimuli.values_list("shown", flat=True)) == before


def test_who_changes_words_learns_nothing_of_studies_they_do_not_see():
    study = make_study(3, slug="somebody-elses")
    image_set = ImageSet.objects.get(classifiers__name=study.design["classifier"])
    address = reverse("admin:studies_imageset_classes", args=[image_set.pk])
    words = {f"{i}-title": f"title {i}" for i in range(3)}
    page = staff("view_imageset", "change_imageset").post(address, words, follow=True)
    assert said(page)[1] == "Prepared with the old words, and drafts again: 1 more."
    Study.objects.update(state=Study.State.READY)
    page = researcher().post(address, words | {"0-gloss": "to be seen"}, follow=True)
    assert said(page)[1] == "Prepared with the old words, and drafts again: somebody-elses."
    Study.objects.update(state=Study.State.PREPARING)
    page = staff("view_imageset", "change_imageset").post(address, words)
    assert "A study is being prepared with these words" in text(page)
    assert "somebody-elses" not in page.content.decode()


def test_who_changed_which_words_is_in_the_logs_of_the_image_set_and_of_the_study():
    study = make_study(3)
    image_set = ImageSet.objects.get(classifiers__name=study.design["classifier"])
    ada = User.objects.create(username="ada")
    class_descriptions.change_words(image_set, {0: {"title": "squeezebox"}, 1: {"title": "saxophone"}}, actor=ada)
    of_set = Event.objects.get(about=Event.About.IMAGES, slug=image_set.name)
    assert (of_set.what, of_set.who) == (Event.What.WORDS, "ada")
    assert of_set.details == {"changes": {"accordion, title": ["accordion", "squeezebox"]}}
    last = study.events.last()
    assert (last.what, last.who, last.details) == (Event.What.WORDS, "ada", {"image_set": image_set.name})
    page = researcher().get(reverse("admin:studies_imageset_history", args=[image_set.pk]))
    assert "ada Words for participants changed Accordion, title accordion → squeezebox" in text(page)


def test_words_that_stay_as_they_are_change_nothing():
    study = make_study(2)
    image_set = ImageSet.objects.get(classifiers__name=study.design["classifier"])
    assert class_descriptions.change_words(image_set, {0: {"title": "accordion", "gloss": ""}}) == []
    study.refresh_from_db()
    assert study.state == Study.State.READY


def test_words_cannot_change_under_a_preparation():
    study = make_study(2)
    Study.objects.update(state=Study.State.PREPARING)
    image_set = ImageSet.objects.get(classifiers__name=study.design["classifier"])
    with pytest.raises(StudyError, match="is being prepared with these words"):
        class_descriptions.change_words(image_set, {0: {"title": "another"}})


def test_a_participant_reads_the_gloss_and_its_markup_stays_text(tmp_path):
    study = prepared_study(tmp_path, gloss="<script>alert(1)</script> of brass & reed")
    lifecycle.open_study(study, anyway=True)
    page = Visitor(study).begin().get().content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; of brass &amp; reed" in page
    assert "<script>alert" not in page


def test_an_example_is_shown_as_the_classifier_sees_it(tmp_path):
    from studies import preparation

    image_set = make_image_set(n_images=12)
    class_descriptions.change_words(image_set, {i: {"example": image_set.images.filter(label=i)[0]} for i in range(3)})
    import_small("net", image_set.name, tmp_path)
    study = lifecycle.create_study(slug="words", protocol="rectified_labeling", design={"classifier": "net"})
    preparation.prepare(study)
    for stimulus in study.stimuli.all():
        [gloss] = stimulus.shown["glosses"]
        assert gloss["example"]["file"].startswith("artifacts/")
        assert gloss["example"]["file"] != stimulus.shown["picture"]["file"]
        assert gloss["word"] == stimulus.shown["ask"]


def test_without_a_gloss_stimuli_are_what_they_were(tmp_path):
    study = prepared_study(tmp_path)
    assert all(set(one.shown) == {"picture", "ask"} for one in study.stimuli.all())


def test_a_picture_is_no_example_for_itself():
    image, other = ImageRef("a" * 64, "x/1.png", 0), ImageRef("b" * 64, "x/2.png", 0)
    told = {0: Gloss("x", "", Picture(image, "artifacts/aa/a.png", 3, 3))}
    assert glossed(told, [0, 1], image) == {}
    assert glossed(told, [0], other)["glosses"][0]["example"]["file"] == "artifacts/aa/a.png"


def test_no_missing_example_tells_which_class_a_picture_is_of():
    image, other = ImageRef("a" * 64, "x/1.png", 0), ImageRef("b" * 64, "y/1.png", 1)
    told = {
        n: Gloss(name, "words", Picture(one, "artifacts/aa/a.png", 3, 3))
        for n, (name, one) in enumerate((("x", image), ("y", other)))
    }
    assert [set(one) for one in glossed(told, [0, 1], image)["glosses"]] == [{"word", "gloss"}] * 2
    assert all("example" in one for one in glossed(told, [1], image)["glosses"])
    assert [set(one) for one in glossed(told, [0, 1], ImageRef("c" * 64, "x/2.png", 0))["glosses"]] == [
        {"word", "gloss", "example"}
    ] * 2
