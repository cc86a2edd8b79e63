"""Figures of pictures: which each protocol makes, how they are drawn and told, and the page that picks them."""

import csv
import io

import pytest
from django.urls import reverse
from PIL import Image

from studies import lifecycle
from studies.export import export
from studies.models import Study
from studies.protocol_contract.made_up_bench import made_up_study
from studies.results import picture_figures
from tests.factories import simulated_rows
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db


def closed(key: str, design: dict) -> Study:
    study = made_up_study(key, design, n_images=96)
    lifecycle.open_study(study)
    return simulated_rows(study)


def page(study: Study) -> str:
    return reverse("admin:studies_study_figures", args=[study.pk])


def test_accepted_errors_come_most_accepted_first_and_images_of_one_class_are_all_of_it():
    study = closed("rectified_labeling", {"sample": 20, "threshold": 2})
    accepted, taken = picture_figures.of_study(study)
    shown = {one.shown["picture"]["file"]: one for one in picture_figures.shown_stimuli(study)}
    yes = [shown[pictures[0]["file"]].yes for _, pictures in accepted.rows]
    assert yes == sorted(yes, reverse=True)
    assert min(yes) >= 2
    assert all(f"{n} of 5 yes" in words for n, (words, _) in zip(yes, accepted.rows, strict=True))
    assert all("truly" in words for words, _ in accepted.rows)
    assert len({shown[pictures[0]["file"]].label for _, pictures in taken.rows}) == 1


def test_a_clean_image_and_its_attack_stand_beside_their_explanations():
    study = closed("adversarial_trials", {"sample": 8, "meeting": "separate_groups"})
    (figure,) = picture_figures.of_study(study)
    assert figure.columns == ["original", "its explanation", "adversarial", "its explanation"]
    assert all(len({picture["file"] for picture in pictures}) > 1 for _, pictures in figure.rows)


def test_prototypes_and_criticisms_of_a_class_are_shown_by_each_method():
    design = {"rounds": 3, "conditions": ["mmd-prototypes-criticisms", "adversarial-prototypes", "random"]}
    titles = [one.title for one in picture_figures.of_study(closed("class_assignment", design))]
    name = titles[0].rpartition(" of ")[2]
    assert titles == [
        f"Adversarial prototypes of {name}",
        f"MMD-critic criticisms of {name}",
        f"MMD-critic prototypes of {name}",
        f"Random images of {name}",
    ]
    of_attribute = picture_figures.of_study(closed("attribute_annotation", {"images": 2}))
    assert [one.title.partition(" of ")[0] for one in of_attribute] == [
        "Adversarial prototypes",
        "Adversarial criticisms",
        "Random images",
    ]


def test_a_figure_is_the_same_file_each_time_in_every_format():
    figure = picture_figures.of_study(closed("rectified_labeling", {"sample": 5, "threshold": 1}))[0]
    first, again = (picture_figures.drawn(figure, *picture_figures.FORMATS) for _ in range(2))
    assert first == again
    assert Image.open(io.BytesIO(first["png"])).width > 200
    assert b"<svg" in first["svg"]
    assert first["pdf"].startswith(b"%PDF")
    told = picture_figures.table(figure)
    assert [row[0] for row in told.rows] == [words for words, _ in figure.rows]


def test_the_export_has_each_figure_as_png_and_svg_with_its_table(tmp_path):
    study = closed("rectified_labeling", {"sample": 5, "threshold": 1})
    export.write(study, tmp_path / "export")
    folder = tmp_path / "export" / "figures"
    assert {f"accepted-errors.{ending}" for ending in ("png", "svg", "csv")} <= {path.name for path in folder.iterdir()}
    rows = list(csv.reader((folder / "accepted-errors.csv").open(encoding="utf-8-sig")))
    assert rows[0] == ["caption", "file"]


def test_pictures_are_picked_by_answers_and_class_and_downloaded():
    study, client = closed("rectified_labeling", {"sample": 20}), researcher()
    shown = picture_figures.shown_stimuli(study)
    wanted = [one for one in shown if one.yes >= 3]
    label = wanted[0].label
    said = text(client.get(page(study), {"yes_from": 3, "label": label, "title": "What people accept"}))
    assert "What people accept" in said
    query = {"yes_from": 3, "label": label, "figure": "picked", "format": "csv", "pictures": 60}
    rows = list(csv.reader(io.StringIO(client.get(page(study), query).content.decode())))
    assert len(rows) - 1 == len({one.number for one in wanted if one.label == label})
    image = client.get(page(study), {"figure": "0", "format": "png"})
    assert image["Content-Type"] == "image/png"
    assert "No picture fits the filters" in text(client.get(page(study), {"yes_from": 9}))
    assert client.get(page(study), {"figure": "99", "format": "png"}).status_code == 404
    assert client.get(page(study), {"figure": "0", "format": "exe"}).status_code == 404
    assert client.get(page(study), {"pictures": "many"}).status_code == 200


def test_nothing_is_shown_before_the_study_is_closed():
    study = made_up_study("rectified_labeling", {"sample": 5}, n_images=96)
    lifecycle.open_study(study)
    for query in ({}, {"figure": "0", "format": "png"}):
        answer = researcher().get(page(study), query)
        assert answer.status_code == 302
