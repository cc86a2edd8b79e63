"""The pages make a site in which every link and anchor leads somewhere, and their pictures are all used."""

import re
import shutil
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
TUTORIAL = DOCS / "images" / "tutorial"


def build_site(docs: Path, into: Path) -> None:
    """As `make docs` does; raises Abort where anything is amiss."""
    config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(into))
    assert config.strict
    config.plugins.on_startup(command="build", dirty=False)
    build(config)


def test_the_site_builds_without_a_warning(tmp_path):
    build_site(DOCS, tmp_path)
    assert (tmp_path / "tutorial" / "first-study.html").exists()
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("index.md", "[nowhere](tutorial/no-such-page.md)"),
        ("index.md", "[nowhere](explanation/words.md#no-such-part)"),
        ("index.md", "![nothing](images/no-such-picture.png)"),
        ("how-to/forgotten.md", "# A page that no menu has"),
    ],
)
def test_a_link_that_leads_nowhere_or_a_forgotten_page_fails_it(file, text, tmp_path):
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    with (docs / file).open("a") as page:
        page.write(f"\n{text}\n")
    with pytest.raises(Abort):
        build_site(docs, tmp_path / "site")


def test_the_tutorial_names_every_picture_of_its_own_and_no_other():
    named = re.findall(r"\]\(\.\./images/tutorial/([^)]+)\)", (DOCS / "tutorial" / "first-study.md").read_text())
    assert sorted(named) == sorted(file.name for file in TUTORIAL.iterdir())
    assert 0 < len(named) <= 10


def test_whatever_the_script_of_the_tutorial_presses_and_fills_in_the_tutorial_names():
    script = (DOCS / "take_screenshots.py").read_text()
    used = re.findall(r'get_by_role\("\w+", name="([^"]+)"|get_by_label\("([^"]+)"', script)
    tutorial = " ".join((DOCS / "tutorial" / "first-study.md").read_text().split())
    assert len(used) > 30
    assert [name for name in map("".join, used) if name not in tutorial] == []


def test_every_picture_of_the_pages_is_named_by_one():
    pages = "\n".join(page.read_text() for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
    assert [file.name for file in DOCS.rglob("*.png") if file.name not in pages] == []


def test_the_tutorials_pictures_are_small():
    assert {file.name: file.stat().st_size for file in TUTORIAL.iterdir() if file.stat().st_size > 60_000} == {}
