"""The reference describes every method and every parameter with its default; a new one without its lines fails."""

import re
from pathlib import Path

import pytest

from explainers import base
from explainers.images import inspect

DOCS = Path(__file__).parents[3] / "docs"
METHODS = [(kind, name) for kind in base.kinds() for name in base.available(kind)]


def written(value):
    """A default as the page writes it."""
    return "none" if value is None else str(value).lower()


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_every_parameter_is_in_a_table_with_its_default(kind, name):
    page = (DOCS / "reference" / "methods.md").read_text(encoding="utf-8")
    called = kind.replace("_", " ")
    rest = re.search(rf"^`{name}`, an? {called}\b.*?(?=^`\w+`, an? \w+|^## Adding|\Z)", page, re.DOTALL | re.MULTILINE)
    assert rest, f"no part of the page begins with `{name}`, a {called}"
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", rest[0], re.MULTILINE))
    assert rows == {parameter: written(value) for parameter, value in base.get(kind, name).parameters().items()}


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_every_method_is_drawn_on_both_pages(kind, name):
    picture = f"images/methods/{kind}-{name}.png"
    for page in ("methods.md", "methods-side-by-side.md"):
        assert f"(../{picture})" in (DOCS / "reference" / page).read_text(encoding="utf-8")
    inspect((DOCS / picture).read_bytes())
