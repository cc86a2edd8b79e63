"""A study made again from its export: the same where photographs and networks are the same; each difference named."""

import hashlib
import json
import shutil
import zipfile

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, protocols
from studies.export import checksums, export, texts
from studies.lib.canonical_json import digest
from studies.models import Artifact, Classifier, Event, Image, ImageSet, Study
from studies.repeating import create
from studies.results import figures
from tests.bench import CLASSES, prepare_made_up
from tests.examples import SMALL, about
from tests.factories import make_classifier, make_image_set, without_doubts

pytestmark = pytest.mark.django_db

MARKER = "Zwölf Füchse lesen mit"


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def catalog() -> Classifier:
    """The same photographs and the same networks, under the same names."""
    return without_doubts(make_classifier(make_image_set("things", classes=CLASSES, n_images=24), "net"))


def exported_study(key: str, folder) -> Study:
    """A study of a protocol that is open and has a sentence of its own wherever there is one, and its export."""
    classifier = catalog()
    classifier.image_set.classes.filter(index=0).update(title=f"{MARKER} (class)", gloss=f"{MARKER} (gloss)")
    design = {
        **about(key, classifier.name),
        **SMALL.get(key, {}),
        "questions": f"{MARKER}?",
        "debrief": f"{MARKER} (end)",
        "seed": 7,
    }
    study = lifecycle.create_study(
        slug="first", protocol=key, design=design, title="Füchse", consent_text=f"{MARKER} (consent)"
    )
    lifecycle.open_study(prepare_made_up(study), anyway=True)
    study.refresh_from_db()
    export.write(study, folder)
    return study


def wipe() -> None:
    for model in (Study, Event, Classifier, ImageSet, Artifact):
        model.objects.all().delete()


@pytest.mark.parametrize("key", protocols.available())
def test_a_study_exported_wiped_and_made_again_has_the_same_stimuli_and_pages(key, tmp_path):
    study = exported_study(key, tmp_path / "export")
    stimuli, frozen = study.frozen["stimuli_sha256"], study.frozen
    wipe()
    about(key, catalog().name)
    call_command("create_study", "again", export=tmp_path / "export")
    again = Study.objects.get(slug="again")
    assert (again.title, again.consent_text, again.design) == (study.title, study.consent_text, study.design)
    prepare_made_up(again)
    assert digest(list(again.stimuli.order_by("number").values_list("digest", flat=True))) == stimuli
    assert lifecycle.registered_analysis(again) == frozen["analysis"]
    told = json.loads((tmp_path / "export" / "texts" / "pages.json").read_text())["pages"]
    for page in texts.pages(again):
        (before,) = [one for one in told[page.language] if one["key"] == page.key]
        assert (tmp_path / "export" / "texts" / before["file"]).read_text() == page.html
    same = f"stimuli are those of first (SHA-256 {stimuli[:12]}…)."
    said = list(create.verdict(again))
    assert said[0].endswith(same)
    assert said[1:] == ["The analysis is the registered one.", "Participants read the same pages."]
    everything = "".join(path.read_text(errors="ignore") for path in (tmp_path / "export").rglob("*.*ml"))
    for place in ("(consent)", "?", "(end)"):
        assert f"{MARKER} {place}".replace(" ?", "?") in everything
    assert f"{MARKER} (class)" in (tmp_path / "export" / "study.json").read_text()
    assert Classifier.objects.get(name="net").image_set.classes.get(index=0).title == f"{MARKER} (class)"


@pytest.fixture
def exported(tmp_path):
    exported_study("rectified_labeling", tmp_path / "export")
    return tmp_path / "export"


def refused(folder) -> str:
    """What is said of an export that is not read; nothing is made."""
    before = Study.objects.count()
    with pytest.raises(CommandError) as told:
        call_command("create_study", "again", export=folder)
    assert Study.objects.count() == before
    assert "\n" not in str(told.value)
    return str(told.value)


def changed(folder, name: str, change) -> None:
    """A file of an export changed, with its checksum changed too, as a forger would."""
    path = folder / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    checksums.write(folder)


def test_an_export_that_is_not_whole_is_refused_by_name(exported, tmp_path):
    def copy(name):
        return shutil.copytree(exported, tmp_path / name)

    cut, forged, foreign, later = (copy(name) for name in ("cut", "forged", "foreign", "later"))
    (cut / "computations.csv").unlink()
    with (cut / "photographs.csv").open("a") as file:
        file.write("more\n")
    assert refused(cut).endswith(
        "cut: computations.csv is missing; photographs.csv is not what it was when it was exported"
    )
    changed(forged, "study.json", lambda content: content["design"].update(threshold=1))
    assert "the design in study.json is not the one that was frozen" in refused(forged)
    changed(forged, "design.json", lambda content: content["frozen"]["design"].update(threshold=1))
    assert "what was frozen has another SHA-256 than it says" in refused(forged)
    changed(foreign, "study.json", lambda content: content.update(format="another"))
    assert refused(foreign).endswith("study.json: not a study that Quorum exported")
    changed(later, "study.json", lambda content: content.update(format_version=2))
    assert "format 2; this version of Quorum reads format 1" in refused(later)
    (tmp_path / "empty").mkdir()
    assert "no checksums.sha256 in it" in refused(tmp_path / "empty")
    assert refused(tmp_path / "nowhere").endswith("nowhere: No such folder")


def test_values_of_another_kind_are_named(exported):
    whole = (exported / "study.json").read_text()
    for name in ("design", "consent_text", "image_sets", "classifiers", "protocol_version"):
        for value in (None, 7.5, [7], {"a": 1}):
            (exported / "study.json").write_text(whole)
            changed(exported, "study.json", lambda content, name=name, value=value: content.update({name: value}))
            said = refused(exported)
            assert name in said or "not the one that was frozen" in said or "not a JSON object" in said


def test_checksums_lead_nowhere_else(exported):
    outside = exported.parent / "outside"
    outside.write_text("secret")
    sha256 = hashlib.sha256(b"secret").hexdigest()
    (exported / checksums.NAME).write_text(f"{sha256}  ../outside\n")
    assert "line 1: not a SHA-256 and the name of a file below the folder" in refused(exported)


def test_each_difference_is_named_before_anything_is_made(exported, capsys):
    Classifier.objects.filter(name="net").update(state_digest="0" * 64, digest="1" * 64)
    Image.objects.filter(path__endswith="003.png").update(sha256="2" * 64)
    Image.objects.filter(path__endswith="004.png").delete()
    Study.objects.all().delete()
    changed(exported, "study.json", lambda content: content.update(quorum="0.0.1", protocol_version=1))
    version = protocols.get("rectified_labeling").version
    assert refused(exported) == "5 differences, and nothing was made; --anyway creates it all the same"
    told = capsys.readouterr().err
    for line in (
        f"Differs: the protocol rectified_labeling is at version {version} here; the study had 1.",
        "Differs: this is Quorum 0.1.0; the study was exported by 0.0.1.",
        "Differs: the classifier net is another one here: weights with the SHA-256 000000000000…, not ",
        "Differs: photographs of things: 1 other pictures here (the first is dulcimer/003.png).",
        "Differs: photographs of things: 1 missing here (the first is euphonium/004.png).",
    ):
        assert line in told
    call_command("create_study", "again", export=exported, anyway=True)
    study = prepare_made_up(Study.objects.get(slug="again"))
    said = list(create.verdict(study))
    assert said[0].startswith("The stimuli are not those of first: their SHA-256 is ")
    assert study.repeats["differences"][0].startswith("the protocol rectified_labeling")


def test_without_the_classifier_nothing_is_made(exported):
    wipe()
    module = "none of a module with the SHA-256 unknown"
    assert refused(exported) == (f"the classifier net ({module}) is not here: import it first, and its photographs")


def test_a_classifier_of_another_name_is_found_by_what_it_is(exported, capsys):
    Classifier.objects.filter(name="net").update(name="renamed")
    Study.objects.all().delete()
    refused(exported)
    assert "Differs: the classifier net is called renamed here." in capsys.readouterr().err
    call_command("create_study", "again", export=exported, anyway=True)
    assert Study.objects.get(slug="again").design["classifier"] == "renamed"


def test_words_of_classes_stay_where_another_study_is_about_to_use_them(exported, capsys):
    """The study that was exported is open, and has its words; a draft would be prepared with others."""
    Classifier.objects.get(name="net").image_set.classes.filter(index=0).update(title="another")
    lifecycle.create_study(slug="draft", protocol="rectified_labeling", design={"classifier": "net"})
    refused(exported)
    assert "1 classes of things have other words here" in capsys.readouterr().err
    call_command("create_study", "again", export=exported, anyway=True)
    assert Classifier.objects.get(name="net").image_set.classes.get(index=0).title == "another"


def test_a_zip_is_read_like_its_folder(exported, tmp_path):
    (tmp_path / "export.zip").write_bytes(export.zipped(Study.objects.get(slug="first")))
    call_command("create_study", "again", export=tmp_path / "export.zip")
    assert Study.objects.get(slug="again").repeats["study"] == "first"
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("photographs/a.png", b"")
    assert refused(tmp_path / "other.zip") == "other.zip: not the zip of one export"


def test_an_export_and_a_design_file_are_not_given_together(exported):
    with pytest.raises(CommandError, match="leave --protocol, --design and --consent out"):
        call_command("create_study", "again", export=exported, protocol="rectified_labeling")
    with pytest.raises(CommandError, match="give --protocol and --design, or --from an export"):
        call_command("create_study", "again")
