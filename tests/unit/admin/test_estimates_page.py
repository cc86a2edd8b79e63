"""What a design comes to, told while it is written: figures, mistakes, and that nothing is stored."""

import lxml.html
import pytest
from django import forms
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from studies import protocols
from studies.admin.study.field_help import FIRST as DECIDED_FIRST
from studies.models import Classifier, ClassifierEvaluation, Study
from studies.planning import estimates
from studies.protocols import ImageCounts
from studies.protocols.base.field_help import GROUPS, field_help
from tests.bench import MadeUpBench, made_up_study
from tests.factories import CLASSES, make_classifier, make_image_set, make_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db

NEW = reverse("admin:studies_study_add_consequences", query={"protocol": "rectified_labeling"})
FIRST = reverse("admin:studies_study_add_design", query={"title": "A", "slug": "a", "protocol": "rectified_labeling"})
DESIGN = {
    "classifier": "net",
    "answers_per_stimulus": "5",
    "threshold": "4",
    "trials_per_participant": "50",
    "top_k": "1",
    "selection": "top1_errors",
    "asking": "one_question",
}


@pytest.fixture
def classifier() -> Classifier:
    return make_classifier(make_image_set(n_images=240), "net")


def check(classifier: Classifier, pairs: list[list[int]], among_five: int = 0) -> None:
    total = sum(n for *_, n in pairs)
    result = {"images": total, "among_five": among_five, "pairs": pairs}
    ClassifierEvaluation.objects.create(classifier=classifier, state=ClassifierEvaluation.State.DONE, result=result)


def figures(response) -> dict[str, str]:
    """The figures by name, as far as there are any."""
    page = lxml.html.fromstring(response.content.decode())
    words = {
        " ".join(one.findtext("dt").split()): " ".join(one.find("dd").text_content().split())
        for one in page.xpath("//dl[@class='desk-comes-to']/div")
    }
    return {name.removesuffix(", at least"): value for name, value in words.items()}


def test_a_design_is_told_in_stimuli_answers_people_hours_cost_and_width(classifier):
    check(classifier, [[0, 0, 40], [0, 1, 40], [1, 1, 80], [2, 0, 20], [2, 2, 60]])
    told = figures(researcher().post(NEW, DESIGN | {"plan-pay": "0.1", "plan-seconds": "6"}))
    width = told.pop("95% interval of the accepted share")
    assert told == {
        "Stimuli": "60",
        "Answers needed": "300",
        "People needed": "6",
        "Their time": "0.5 hours",
        "Cost": "30.00",
    }
    # Six people are far too few for an interval.
    assert width.startswith("–")
    many = figures(researcher().post(NEW, DESIGN | {"trials_per_participant": "5"}))
    assert many["People needed"] == "60"
    assert 10 < float(many["95% interval of the accepted share"].split()[0].rstrip("%")) < 40


def test_practice_and_gold_cost_too(classifier):
    told = figures(researcher().post(NEW, DESIGN | {"sample": "50", "practice": "2", "gold": "3", "plan-pay": "1"}))
    assert told["Answers needed"] == "250 and 25 of practice and gold"
    assert told["Cost"] == "275.00"


def test_without_a_check_a_number_is_an_upper_bound(classifier):
    response = researcher().post(NEW, DESIGN)
    assert figures(response)["Stimuli, at most"] == "240"
    assert "check page would tell" in response.content.decode()


def test_classes_and_sample_make_a_study_smaller(classifier):
    check(classifier, [[0, 1, 40], [1, 2, 20], [2, 2, 80]])
    one = figures(researcher().post(NEW, DESIGN | {"classes": CLASSES[1]}))
    assert one["Stimuli"] == "20"
    assert figures(researcher().post(NEW, DESIGN | {"sample": "7"}))["Stimuli"] == "7"


def test_the_top_5_errors_are_those_of_the_check(classifier):
    check(classifier, [[0, 1, 40], [2, 2, 80]], among_five=115)
    five = DESIGN | {"top_k": "5", "selection": "top5_errors"}
    assert figures(researcher().post(NEW, five))["Stimuli"] == "5"
    assert figures(researcher().post(NEW, five | {"asking": "each_label"}))["Stimuli"] == "25"


def test_what_is_prepared_as_it_stands_is_not_guessed(classifier):
    study = make_study(8)
    address = reverse("admin:studies_study_consequences", args=[study.pk])
    same = {name: "" if value in (None, []) else str(value) for name, value in study.design.items() if value}
    client = researcher()
    assert figures(client.post(address, same))["Stimuli"] == "8"
    # Of another threshold no more is known than of a classifier that was never evaluated.
    ClassifierEvaluation.objects.all().delete()
    assert figures(client.post(address, same | {"threshold": "1"}))["Stimuli, at most"] == "8"


@pytest.mark.parametrize(
    ("wrong", "field", "line"),
    [
        ({"threshold": "6"}, "id_threshold", "Must not be above answers_per_stimulus, which is 5."),
        ({"classifier": "other"}, "id_classifier", "other is not the name of a classifier"),
        ({"plan-pay": "much"}, "id_plan-pay", "Enter a number."),
    ],
)
def test_a_mistake_is_named_with_its_setting_and_no_figure_is_told(classifier, wrong, field, line):
    response = researcher().post(NEW, DESIGN | wrong)
    page = lxml.html.fromstring(response.content.decode())
    assert response.status_code == 422
    assert page.xpath("//*[@data-part='problem']//a/@href") == [f"#{field}"]
    assert line in page.text_content()
    # Without this part the script leaves the last figures where they are.
    assert page.xpath("//*[@data-part='told']") == []


def test_the_button_works_it_out_without_script_and_stores_nothing(classifier):
    client = researcher()
    response = client.post(FIRST, DESIGN | {"sample": "77", "work_out": "1"})
    assert figures(response)["Stimuli, at most"] == "77"
    assert 'value="77"' in response.content.decode()
    response = client.post(FIRST, DESIGN | {"threshold": "6", "work_out": "1"})
    assert "Must not be above" in text(response)
    assert not Study.objects.exists()
    study = made_up_study("rectified_labeling")
    before = study.design
    client.post(reverse("admin:studies_study_design", args=[study.pk]), DESIGN | {"work_out": "1"})
    study.refresh_from_db()
    assert (study.design, study.state) == (before, Study.State.READY)


def test_figures_are_for_whoever_may_save_the_design(classifier):
    study = make_study(2)
    address = reverse("admin:studies_study_consequences", args=[study.pk])
    assert staff("view_study", sees=study).post(address, DESIGN).status_code == 403
    assert staff("view_study").post(NEW, DESIGN).status_code == 403
    client = researcher()
    assert client.get(NEW).status_code == 405
    assert client.post(NEW.replace("rectified", "unheard_of"), DESIGN).status_code == 404


def test_the_number_of_queries_is_the_same_for_any_image_set():
    taken = []
    for n_images, classes in ((6, CLASSES), (300, tuple(f"class-{n}" for n in range(60)))):
        classifier = make_classifier(make_image_set(n_images=n_images, classes=classes))
        client = researcher()
        client.post(NEW, DESIGN | {"classifier": classifier.name})
        with CaptureQueriesContext(connection) as queries:
            assert client.post(NEW, DESIGN | {"classifier": classifier.name}).status_code == 200
        taken.append(len(queries))
        classifier.delete()
    assert taken[0] == taken[1] <= 12


# --- every protocol ---------------------------------------------------------------------------------------------------

DESIGNS = {
    "rectified_labeling": [
        {},
        {"sample": 3},
        {"top_k": 5, "asking": "each_label"},
        {"top_k": 5, "classes": ["celesta"]},
    ],
    "adversarial_trials": [{}, {"sample": 3}, {"meeting": "separate_groups"}],
    "class_assignment": [{"rounds": 4}, {"rounds": 3, "conditions": ["random", "mmd-prototypes"]}],
    "attribute_annotation": [{"images": 2}, {"images": 2, "attributes": ["a hand", "a hat"], "asking": "page_each"}],
}


@pytest.mark.parametrize(("key", "design"), [(key, one) for key, many in DESIGNS.items() for one in many])
def test_what_is_expected_is_what_is_prepared_or_more(key, design):
    study = made_up_study(key, design, n_images=96)
    classifier = Classifier.objects.get(name=study.design["classifier"])
    bench = MadeUpBench()
    names = bench.class_names(classifier.name)
    predictions = list(bench.predictions(classifier.name, bench.images(classifier.name)))
    wrong = dict.fromkeys(names, 0)
    for one in predictions:
        wrong[names[one.image.label]] += one.top[0].label != one.image.label
    beyond = sum(one.image.label not in {guess.label for guess in one.top} for one in predictions)
    known = ImageCounts(estimates.known(classifier.name, seen=Classifier.objects.all()).images, wrong, beyond)
    kind = protocols.get(key)
    expected = kind.sample_size(study.design, known)
    prepared = study.stimuli.main().count()
    assert expected.stimuli >= prepared
    assert expected.at_most or expected.stimuli == prepared
    assert expected.conditions == study.conditions.count()
    assert kind.sample_size(study.design, ImageCounts(known.images)).stimuli >= prepared
    # So few people can do it: nobody is given more than they may be.
    people = estimates.people_needed(kind, study.design, prepared, apart=expected.apart)
    assert people >= study.design["answers_per_stimulus"] * expected.apart


def test_each_round_in_each_condition_needs_people_of_its_own():
    kind = protocols.get("class_assignment")
    design = made_up_study("class_assignment", {"rounds": 4, "trials_per_participant": 10}).design
    expected = kind.sample_size(design, ImageCounts({}))
    assert estimates.people_needed(kind, design, expected.stimuli, apart=expected.apart) == 7 * 5


def test_people_who_come_twice_are_half_as_many():
    kind = protocols.get("adversarial_trials")
    design = made_up_study("adversarial_trials", {"trials_per_participant": 10}).design
    twice = estimates.people_needed(kind, design, 400)
    once = estimates.people_needed(kind, design | {"meeting": "separate_groups"}, 400, apart=2)
    assert (twice, once) == (100, 200)


@pytest.mark.parametrize("key", protocols.available())
def test_every_setting_stands_in_a_group_and_says_what_it_changes(key):
    form_class = protocols.get(key).form_class
    for name in protocols.get(key).form(catalogue=protocols.Catalogue({})).fields:
        told = field_help(form_class, name)
        assert told.group in GROUPS, name
        assert told.changes, name


def test_the_default_of_people_per_stimulus_and_the_source_of_their_threshold_are_on_the_page(classifier):
    address = reverse(
        "admin:studies_study_add_design", query={"title": "A", "slug": "a", "protocol": "rectified_labeling"}
    )
    words = text(researcher().get(address))
    assert "Default: 5 (people per stimulus)." in words
    assert "Source: Stock & Cissé 2018" in words


@pytest.mark.parametrize("key", protocols.available())
def test_the_form_shows_each_setting_once_in_groups_with_default_and_source(key, classifier):
    address = reverse("admin:studies_study_add_design", query={"title": "A", "slug": "a", "protocol": key})
    page = lxml.html.fromstring(researcher().get(address).content.decode())
    # Boxes to tick share a name.
    settings = [one for part in page.find_class("desk-part") for one in part.find_class("desk-setting")]
    shown = [one.xpath(".//@name")[0] for one in settings]
    form = protocols.get(key).form(catalogue=protocols.Catalogue({}))
    assert sorted(shown) == sorted(form.fields)
    first, *titles = [part.find("legend").text_content() for part in page.find_class("desk-part")]
    assert first == DECIDED_FIRST.title
    assert titles == [group.title for group in GROUPS.values() if group.title in titles]
    words = " ".join(page.text_content().split())
    told = {name: field_help(type(form), name) for name in form.fields}
    # A number that follows from others has no default.
    counts = {
        f"Default: {field.initial:,} ({told[name].unit})."
        for name, field in form.fields.items()
        if isinstance(field, forms.IntegerField) and isinstance(field.initial, int) and told[name].unit
    }
    assert counts
    assert [line for line in counts if line not in words] == []
    sources = {f"Source: {one.source}" for one in told.values() if one.source}
    assert any(f"Source: {published.paper}" in line for published in protocols.get(key).papers for line in sources)
    assert [line for line in sources if line not in words] == []
    # Every description a field refers to is on the page.
    named = {one for ids in page.xpath("//@aria-describedby") for one in ids.split()}
    assert named <= set(page.xpath("//@id"))
