"""docs/how-to/reproduce-the-paper.md: its designs are valid, and its commands name protocols that there are."""

import json
import re
from pathlib import Path

import pytest

from studies import protocols
from tests.factories import make_image_set

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
