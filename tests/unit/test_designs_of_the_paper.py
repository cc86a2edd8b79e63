"""The designs of the paper: the protocols have them, the desk fills them in, the page on reproducing it shows them."""

import json
import re
from pathlib import Path

import lxml.html
import pytest
from django.urls import reverse

from studies import protocols
from tests.factories import make_classifier, make_image_set
from tests.staff import researcher

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "reproduce-the-paper.md").read_text()
DESIGNS = dict(re.findall(r"^`(\w[\w.-]*\.json)`\n\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
CREATED = re.findall(r"create_study \S+ --protocol (\w+) --design (\S+)", PAGE)
CLASSIFIERS = set(re.findall(r"import_classifier (\w+) --images imagenet", PAGE))


def clean(protocol: str, design: dict) -> dict:
    classes = (*(f"n0244{n:04}" for n in range(6)), "n02802426")
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
        assert design.pop("classifier") in CLASSIFIERS
        (same,) = [one for one in left if one[0] == protocol and one[1].design.items() <= design.items()]
        assert set(design) - set(same[1].design) <= set(same[1].still), file
        left.remove(same)
    assert left == []


@pytest.mark.parametrize(("key", "paper"), PAPERS)
def test_each_setting_of_a_published_design_says_where_it_is_from(key, paper):
    design = clean(key, {"classifier": "resnet101", **paper.design})
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


@pytest.mark.django_db
def test_the_titles_of_the_page_become_what_people_read():
    images = make_image_set(name="imagenet", classes=("n01440764", "n01443537"))
    (snippet,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(snippet, {})
    assert list(images.classes.order_by("index").values_list("title", flat=True)) == ["tench", "goldfish"]
