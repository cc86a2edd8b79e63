"""The JSON Schema of a design says what its form says: on every design of the documentation, and on what is refused."""

import json
import re
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.core.management import call_command

from studies import protocols
from studies.designs.schema import design_schema
from studies.protocols import Catalogue, DesignError

ROOT = Path(__file__).parents[3]
CLASSES = tuple(f"class {n}" for n in range(12))
#: What has no default.
REQUIRED = {
    "class_assignment": {"classes": list(CLASSES[:6])},
    "attribute_annotation": {"class_name": CLASSES[0], "attribute": "a person"},
}


def written_designs():
    """Each design that a page has create_study read: its protocol, its text, and where it stands."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        for protocol, file in re.findall(r"create_study \S+ --protocol (\w+) --design (\S+)", text):
            name = re.escape(file)
            found = re.search(rf"echo '(.+?)' > {name}", text) or re.search(
                rf"`{name}`.*?```json\n(.+?)```", text, re.DOTALL
            )
            if found:
                yield pytest.param(protocol, found[1], id=f"{page.name}-{file}")


def schema_of(key: str, *classifiers: str) -> dict:
    catalogue = Catalogue(dict.fromkeys(classifiers, CLASSES))
    schema = design_schema(protocols.get(key), catalogue)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(("protocol", "text"), written_designs())
def test_every_design_of_the_documentation_follows_its_schema(protocol, text):
    design = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    jsonschema.validate(design, schema_of(protocol, *(design.get("classifiers") or [design["classifier"]])))


def test_designs_of_the_documentation_are_found():
    assert len(list(written_designs())) >= 5


@pytest.mark.parametrize("key", protocols.available())
def test_what_a_form_completes_follows_the_schema_too(key):
    catalogue = Catalogue({"net": CLASSES})
    named = {"classifiers": ["net", "other"]} if key == "preference" else {"classifier": "net"}
    catalogue = Catalogue({"net": CLASSES, "other": CLASSES})
    completed = protocols.get(key).clean({**named, **REQUIRED.get(key, {})}, catalogue=catalogue)
    jsonschema.validate(completed, schema_of(key, "net", "other"))


@pytest.mark.parametrize("key", protocols.available())
@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"classifier": "other"},
        {"classifier": "net", "answers_per_stimulus": 0},
        {"classifier": "net", "answers_per_stimulus": "five"},
        {"classifier": "net", "answers_per_stimulus": True},
        {"classifier": "net", "no_such_setting": 1},
        {"classifier": ["net"]},
    ],
    ids=str,
)
def test_what_the_form_refuses_the_schema_refuses(key, wrong):
    with pytest.raises(DesignError):
        protocols.get(key).clean(wrong, catalogue=Catalogue({"net": CLASSES}))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema_of(key, "net"))


@pytest.mark.django_db
def test_the_command_prints_the_schema():
    out = StringIO()
    call_command("design_schema", "rectified_labeling", stdout=out)
    assert json.loads(out.getvalue()) == design_schema(protocols.get("rectified_labeling"), Catalogue({}))
