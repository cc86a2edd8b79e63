"""The designs of the paper: the protocols have them, the desk fills them in, the page on reproducing it shows them."""

import json
import re
from pathlib import Path

import lxml.html
import pytest
from django.urls import reverse

from studies import protocols
from studies.protocols.base.field_help import PAPER
from tests.factories import make_classifier, make_image_set
from tests.logged_in_users import researcher

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "reproduce-the-paper.md").read_text()
DESIGNS = dict(re.findall(r"^`(\w[\w.-]*\.json)`\n\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
CREATED = re.findall(r"create_study \S+ --protocol (\w+) --design (\S+)", PAGE)
CLASSIFIERS = set(re.findall(r"import_classifier (\w+) --images imagenet", PAGE))


def clean(protocol: str, design: dict) -> dict:
    classes = (*(f"n0244{n:04}" for n in range(6)), "n02802426", "n02443114", "n02443484")
    catalogue = protocols.Catalogue(dict.fromkeys(CLASSIFIERS, classes))
    return protocols.get(protocol).clean(design, catalogue=catalogue)


def test_every_protocol_has_a_design_on_the_page():
    assert {protocol for protocol, _ in CREATED} == set(protocols.available())
    assert sorted(file for _, file in CREATED) == sorted(DESIGNS)


@pytest.mark.parametrize(("protocol", "file"), CREATED)
def test_a_design_of_the_page_is_valid_as_it_stands(protocol, file):
    design = json.loads(DESIGNS[file])
    assert design.items() <= clean(protocol, design).items()


PAPERS = [(key, paper) for key, kind in protocols.available().items() for paper in kind.papers]


def test_every_protocol_has_a_study_of_the_paper():
    assert {key for key, _ in PAPERS} == set(protocols.available())


def test_the_page_has_the_designs_of_the_protocols_and_no_others():
    """What the page adds is the classifier, and what the paper leaves to whoever repeats it."""
    left = list(PAPERS)
    for protocol, file in CREATED:
        design = json.loads(DESIGNS[file])
        named = design.pop("classifiers", None) or [design.pop("classifier")]
        assert set(named) <= CLASSIFIERS
        (same,) = [one for one in left if one[0] == protocol and one[1].design.items() <= design.items()]
        assert set(design) - set(same[1].design) <= set(same[1].still), file
        left.remove(same)
    assert left == []


@pytest.mark.parametrize(("key", "paper"), PAPERS)
def test_each_setting_of_a_published_design_says_where_it_is_from(key, paper):
    named = {"classifiers": ["resnet18", "resnet101"]} if key == "preference" else {"classifier": "resnet101"}
    design = clean(key, {**named, **paper.design})
    assert paper.design.items() <= design.items()
    assert set(paper.design) <= set(paper.sources) | set(paper.still)
    assert set(paper.still) <= set(design)


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "paper"), PAPERS)
def test_the_desk_fills_in_a_published_design(key, paper):
    make_classifier(make_image_set(), "net")
    address = reverse(
        "admin:studies_study_add_design", query={"title": "A", "slug": "a", "protocol": key, "start": paper.key}
    )
    response = researcher().get(address)
    form = response.context["form"]
    assert {name: form[name].initial for name in paper.design} == paper.design
    page = lxml.html.fromstring(response.content.decode())
    assert page.xpath("count(//p[strong='In the paper:'])") == len(
        [name for name in paper.sources if name in form.fields]
    )
    here = page.xpath("//nav[@class='desk-starts']/a[@aria-current]")
    assert [one.text_content().lower() for one in here] == [paper.title.lower()]


@pytest.mark.django_db
def test_the_first_step_asks_what_the_design_is_filled_in_from():
    make_classifier(make_image_set(), "net")
    first = {"title": "A", "slug": "a", "protocol": "adversarial_trials"}
    client = researcher()
    address = reverse("admin:studies_study_add")
    assert client.post(address, first | {"start": "paper"}).url.endswith("&start=paper")
    assert "start" not in client.post(address, first | {"start": "defaults"}).url
    page = client.get(client.post(address, first | {"start": "paper"}).url)
    assert page.context["start"] is protocols.get("adversarial_trials").papers[0]
    # What nobody has published is not made up.
    odd = reverse("admin:studies_study_add_design", query=first | {"start": "no such study"})
    assert client.get(odd).context["start"] is None


@pytest.mark.parametrize(("protocol", "file"), CREATED)
def test_a_setting_that_there_is_not_is_refused(protocol, file):
    with pytest.raises(protocols.DesignError):
        clean(protocol, json.loads(DESIGNS[file]) | {"no_such_setting": 1})


def test_the_page_has_imagenet_named_by_the_command():
    assert "--class-names imagenet" in PAGE


FACTS = (Path(__file__).parents[3] / "docs" / "reference" / "the-paper.md").read_text()


def rows_of(key: str, paper) -> list[str]:
    """The rows of a preset in the table of facts, as its settings make them."""
    named = [
        f"`{name}` | `{json.dumps(value)}` | {paper.sources.get(name, '')} |"
        for name, value in paper.design.items()
        if name not in paper.still
    ]
    left_open = [
        f"`{name}` | open{f', `{json.dumps(paper.design[name])}`' if name in paper.design else ''} | {why} |"
        for name, why in paper.still.items()
    ]
    return [f"| `{key}` `{paper.key}` | {row}" for row in (*named, *left_open)]


def test_the_table_of_facts_has_the_settings_of_the_presets_and_no_others():
    expected = {row for key, paper in PAPERS if paper.paper == PAPER for row in rows_of(key, paper)}
    assert expected == set(re.findall(r"^\| `\w+` `\w+` \| .*$", FACTS, re.MULTILINE))


@pytest.mark.parametrize(("key", "paper"), [one for one in PAPERS if one[1].paper == PAPER])
def test_a_preset_names_its_section(key, paper):
    section = {
        "rectified_labeling": "3.1",
        "adversarial_trials": "3.2",
        "class_assignment": "3.3",
        "attribute_annotation": "3.4",
    }
    assert paper.title.endswith(f"(section {section[key]})")
