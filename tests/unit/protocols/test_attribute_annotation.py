"""An attribute, or several: what a design may say, which images panels find it in, and checks that ask the same."""

import json

import pandas as pd
import pytest
from django.urls import reverse

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.models import Role, Study, Trial
from studies.protocol_contract.made_up_bench import made_up_study
from studies.protocols import DesignError
from studies.results import frames
from studies.simulation.answer_rates import rate_of
from tests.factories import simulated_rows
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db

KEY = "attribute_annotation"
BOTH = ["a person", "a hand"]
CHECKS = [
    "accordion/000.png | a person: yes | a hand: no",
    "accordion/008.png | a person: no | a hand: yes",
    "accordion/016.png | a person: no | a hand: no | example",
]


def cleaned(**settings) -> dict:
    study = made_up_study(KEY, {"images": 2})
    return protocols.get(KEY).clean({"classifier": study.design["classifier"], **settings}, catalogue=catalogue())


def refused(**settings) -> str:
    with pytest.raises(DesignError) as refusal:
        cleaned(**settings)
    assert len(refusal.value.messages) == 1
    return refusal.value.messages[0]


def test_one_attribute_is_the_same_design_however_it_is_written():
    alone = cleaned(attribute="a hand")
    assert {"attribute": "a hand", "attributes": []}.items() <= alone.items()
    assert {**cleaned(attributes=["a hand"]), "classifier": ""} == {**alone, "classifier": ""}
    assert cleaned()["attribute"] == "a person"
    assert {"attribute": "", "attributes": BOTH}.items() <= cleaned(attributes=BOTH, attribute="a hand").items()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"attributes": BOTH, "attribute": "a hat"}, "a hat is not among the attributes"),
        ({"attributes": [f"thing {n}" for n in range(9)]}, "At most 8 attributes, not 9"),
        ({"attribute": "a hat | a cap"}, "no “|”, “:” or “;” in it"),
        ({"checks": ["| yes"]}, "names no picture"),
        ({"checks": ["a.png | perhaps"]}, "'a.png | perhaps' cannot be read: write PICTURE | yes, or no"),
        ({"checks": ["a.png | yes", "a.png | no"]}, "a.png is named twice"),
        ({"checks": ["a.png | gold"]}, "says nothing about a person"),
        ({"attributes": BOTH, "checks": ["a.png | yes"]}, "write PICTURE | a person: yes | a hand: yes"),
        ({"attributes": BOTH, "checks": ["a.png | a hand: yes"]}, "says nothing about a person"),
        ({"class_table": "picture,a person\na.png,yes"}, "Line 1 must be the columns: image,a person"),
        ({"class_table": "image,a dog\na.png,yes"}, "The column 'a dog' is not an attribute"),
        ({"class_table": "image,a person\na.png,maybe"}, "Line 2: 'maybe' is not yes, no, 1 or 0"),
        ({"class_table": "image,a person\na.png,yes\na.png,no"}, "Line 3: a.png is there twice"),
        ({"class_table": "image,a person\na.png,yes,no"}, "Line 2 has 3 cells"),
        ({"class_table": "image,a person"}, "The table has no image"),
        ({"threshold": 6}, "threshold: Must not be above answers_per_stimulus"),
    ],
)
def test_a_design_that_cannot_be_read_is_refused_in_one_line(settings, said):
    assert said in refused(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"checks": CHECKS}, r"the checks \(gold 4\) .* too few \(gold 2\): name pictures on the page “Checks”"),
        ({"checks": CHECKS[:2], "gold": 2, "example": True}, r"too few \(gold 1\)"),
        (
            {"checks": [CHECKS[0], CHECKS[2].removesuffix(" | example")], "gold": 1},
            "every gold picture is no for 'a hand'",
        ),
        ({"checks": ["celesta/999.png | a person: no | a hand: no"], "gold": 1}, "has no picture celesta/999.png"),
        ({"checks": CHECKS[:1], "gold": 1, "class_table": "image,a hand\ncelesta/002.png,1"}, "not an image of the cl"),
    ],
)
def test_checks_and_tables_that_do_not_fit_the_pictures_are_refused_when_preparing(settings, said):
    with pytest.raises(DesignError, match=said):
        made_up_study(KEY, {"images": 2, "attributes": BOTH, "gold": 4, **settings}, n_images=96)


@pytest.mark.parametrize("asking", ["one_page", "page_each"])
def test_checks_ask_what_other_pages_ask_of_pictures_that_are_shown_nowhere_else(asking):
    design = {"images": 2, "attributes": BOTH, "asking": asking, "gold": 2, "example": True, "checks": CHECKS}
    study = made_up_study(KEY, design, n_images=96)
    named = {line.split(" | ")[0] for line in CHECKS}
    controls = list(study.stimuli.exclude(role=Role.MAIN))
    assert {one.truth["image"] for one in controls} == named
    assert not {one.truth["image"] for one in study.stimuli.main()} & named
    assert study.preparation["held_out"] == 3
    asked = {json.dumps([one.shown["ask"], one.shown.get("asks")]) for one in study.stimuli.main()}
    assert {json.dumps([one.shown["ask"], one.shown.get("asks")]) for one in controls} <= asked
    example = study.stimuli.get(role=Role.EXAMPLE)
    assert example.truth["expected"] == "no"


def test_a_check_is_right_where_every_attribute_is():
    study = made_up_study(KEY, {"images": 2, "attributes": BOTH, "practice": 2, "checks": CHECKS}, n_images=96)
    lifecycle.open_study(study)
    found = {}
    for said in ("yes", "no"):
        person, _ = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        trial = participation.current_trial(person)
        assert trial.role == Role.PRACTICE
        wanted = trial.stimulus.truth["expected_parts"]["attribute_2"]
        answer = wanted if said == "yes" else {"yes": "no", "no": "yes"}[wanted]
        participation.answer(person, trial.pk, trial.stimulus.truth["expected"], parts={"attribute_2": [answer]})
        found[said] = Trial.objects.get(pk=trial.pk).correct
    assert found == {"yes": True, "no": False}


@pytest.mark.parametrize("asking", ["one_page", "page_each"])
def test_the_share_of_images_is_counted_again_from_the_answers_alone(asking):
    design = {"images": 6, "attributes": BOTH, "asking": asking, "threshold": 2, "answers_per_stimulus": 3}
    study = made_up_study(KEY, design, n_images=240)
    lifecycle.open_study(study)
    simulated_rows(study, missing=0.1)
    summary = protocols.get(KEY).summary(
        study.design, study.preparation, frames.stimulus_frame(study), frames.counted_answers(study)
    )
    rows = [
        (asked, trial.stimulus.condition.key, trial.stimulus.truth["image"], said == "yes")
        for trial in Trial.objects.filter(study=study, counted=True).select_related("stimulus__condition")
        for asked, said in zip(trial.stimulus.truth["asks"], [trial.answer, *(trial.parts or {}).values()], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["asked", "condition", "image", "yes"])
    for (asked, condition), own in table.groupby(["asked", "condition"]):
        sums = own.groupby("image")["yes"].agg(["size", "sum"])
        whole = sums[sums["size"] == 3]
        share = summary.measures["images"][asked][condition]
        assert (share["numerator"], share["denominator"]) == (int((whole["sum"] >= 2).sum()), len(whole))
        answers = summary.measures["answers"][asked][condition]
        assert (answers["numerator"], answers["denominator"]) == (int(own["yes"].sum()), len(own))
    assert len(summary.measures["contrasts"]) == 6
    assert "“a hand” is seen in" in summary.headline


def test_an_erased_part_leaves_the_other_attributes_as_they_are():
    study = made_up_study(KEY, {"images": 6, "attributes": BOTH}, n_images=240)
    answers = pd.DataFrame(
        {"participant": [0, 1], "stimulus": [1, 1], "answer": "yes", "condition": "prototypes"}
        | {"attribute_2": ["no", None]}
    )
    summary = protocols.get(KEY).summary(study.design, study.preparation, frames.stimulus_frame(study), answers)
    counted = {asked: one["prototypes"]["denominator"] for asked, one in summary.measures["answers"].items()}
    assert counted == {"a person": 2, "a hand": 1}


def test_a_table_of_the_class_gives_its_base_rate_and_that_of_each_kind_of_image():
    lines = [f"accordion/{8 * n:03}.png,{'yes' if n < 9 else 'no'}" for n in range(12)]
    table = "\n".join(["image,a person", *lines, ""])
    study = made_up_study(KEY, {"images": 3, "class_table": table}, n_images=96)
    found = study.preparation["base_rates"]["a person"]
    assert found["class"]["estimate"] == 9 / 12
    shown = {spec.truth["image"] for spec in study.stimuli.main() if spec.condition.key == "prototypes"}
    wanted = sum(f"{image},yes" in lines for image in shown)
    assert (found["prototypes"]["numerator"], found["prototypes"]["denominator"]) == (wanted, 3)


def test_a_rate_is_that_of_the_attribute_where_several_are_asked():
    study = made_up_study(KEY, {"images": 2, "attributes": BOTH}, n_images=96)
    stimulus = study.stimuli.main().first()
    image = stimulus.truth["image"]
    rates = {(image, "a person", ""): 0.25, (image, "a hand", ""): 0.75}
    assert [rate_of(rates, stimulus, one) for one in stimulus.truth["asks"]] == [0.25, 0.75]


# --- the page that names checks ---------------------------------------------------------------------------------------


def checks_page(study: Study) -> str:
    return reverse("admin:studies_study_checks", args=[study.pk])


def test_pictures_are_picked_by_looking_and_others_stay_as_they_are():
    study = made_up_study(KEY, {"images": 2, "attributes": BOTH, "gold": 1, "checks": CHECKS}, n_images=96)
    client = researcher()
    page = client.get(checks_page(study))
    assert "3 named." in text(page)
    images = {image.path: image for image in study_images(study)}
    said, gone = images["accordion/024.png"], images["accordion/000.png"]
    values = {f"image-{said.pk}-0": "yes", f"image-{said.pk}-1": "no", f"image-{said.pk}-use": "practice"}
    for line in CHECKS[1:]:
        path, *cells = line.split(" | ")
        for at, cell in enumerate(cells[:2]):
            values[f"image-{images[path].pk}-{at}"] = cell.partition(": ")[2]
    values[f"image-{images['accordion/016.png'].pk}-use"] = "example"
    values[f"image-{gone.pk}-0"] = values[f"image-{gone.pk}-1"] = ""
    assert client.post(checks_page(study), values).status_code == 302
    study.refresh_from_db()
    assert study.design["checks"] == [*CHECKS[1:], "accordion/024.png | a person: yes | a hand: no | practice"]
    assert study.state == Study.State.DRAFT
    other = client.post(checks_page(study) + "?class=celesta", {})
    assert other.status_code == 302
    study.refresh_from_db()
    assert len(study.design["checks"]) == 3


def test_half_an_answer_is_refused_and_nothing_is_stored():
    study = made_up_study(KEY, {"images": 2, "attributes": BOTH, "checks": CHECKS}, n_images=96)
    image = study_images(study)[0]
    page = researcher().post(checks_page(study), {f"image-{image.pk}-0": "yes"})
    assert f"{image.path.capitalize()}: say yes or no for 'a hand' too" in text(page)
    study.refresh_from_db()
    assert study.design["checks"] == CHECKS


def test_a_study_whose_checks_are_drawn_says_so():
    study = made_up_study("rectified_labeling", {"sample": 4}, n_images=48)
    assert "draws its checks from images that the classifier is sure of" in text(researcher().get(checks_page(study)))


def study_images(study: Study) -> list:
    from studies.models import Classifier

    row = Classifier.objects.get(name=study.design["classifier"])
    return list(row.image_set.images.filter(label=0).order_by("path"))
