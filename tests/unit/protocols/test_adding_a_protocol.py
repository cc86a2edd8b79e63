"""The examples of the documentation keep every promise, as an app of a lab and as files beside the others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from studies import lifecycle, protocols
from studies.models import Study, Trial
from studies.protocol_contract import PROPERTIES, check_protocol
from studies.results import result
from tests import lab_apps
from tests.bench import made_up_study
from tests.factories import make_classifier, make_image_set, without_doubts
from tests.participant_client import Visitor, text

KEYS = ("label_check", "label_choice")
SCRIPT = "ourlab/static/protocols/label_check.js"


@pytest.fixture
def lab(tmp_path, monkeypatch, settings):
    """The app of the documentation, with a script for one of its pages, installed as PLUGIN_APPS would."""
    files = lab_apps.documented()
    assert sorted(files) == [
        "ourlab/__init__.py",
        "ourlab/protocols/__init__.py",
        "ourlab/protocols/label_check.py",
        "ourlab/protocols/label_choice.py",
        "ourlab/templates/protocols/label_check.html",
        "ourlab/templates/protocols/label_choice.html",
    ]
    (block,) = re.findall(r"^(\{% block script %\}.*)$", lab_apps.PAGES[0].read_text(), re.MULTILINE)
    page = "ourlab/templates/protocols/label_check.html"
    files[page] = files[page].replace("{% load i18n %}", "{% load i18n static %}") + block
    lab_apps.write(tmp_path, files | {SCRIPT: "// of the lab\n"})
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, lab_apps.APP]
    lab_apps.forget()
    yield tmp_path
    lab_apps.forget()


def test_without_the_app_there_is_no_such_protocol():
    assert not set(KEYS) & set(protocols.available())
    assert not (Path(configured.BASE_DIR) / "studies" / "protocols" / "label_check.py").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", KEYS)
def test_an_example_of_the_documentation_keeps_every_promise(lab, key):
    outcomes = list(check_protocol(protocols.get(key)))
    assert len(outcomes) == len(PROPERTIES)
    assert [outcome.line for outcome in outcomes if outcome.problem] == []


@pytest.mark.django_db
def test_a_labs_app_brings_protocol_template_and_script_and_one_trial_is_answered(lab, tmp_path):
    """By the commands that a lab uses, with pictures that are really prepared, and by the participant's pages."""
    classifier = without_doubts(make_classifier(make_image_set(n_images=6)))
    design = tmp_path / "design.json"
    design.write_text(f'{{"classifier": "{classifier.name}", "sample": 4, "answers_per_stimulus": 3}}')
    call_command("create_study", "labels", protocol="label_check", design=design)
    call_command("prepare", "labels")
    call_command("open_study", "labels")
    study = Study.objects.get(slug="labels")
    visitor = Visitor(study)
    visitor.send()
    assert "Say whether the word is right." in text(visitor.get())
    visitor.send()
    page = visitor.get()
    assert f"Is this {visitor.trial.stimulus.shown['ask']}?" in text(page)
    (script,) = re.findall(r'src="([^"]*protocols/label_check[^"]*\.js)"', page.content.decode())
    assert b"// of the lab" in b"".join(visitor.client.get(script).streaming_content)
    visitor.send(answer="yes")
    assert list(Trial.objects.filter(answered_at__isnull=False).values_list("answer", "counted")) == [("yes", True)]


@pytest.mark.django_db
def test_the_result_of_the_example_counts_what_was_answered(lab):
    study = made_up_study("label_check", {"sample": 4, "answers_per_stimulus": 3})
    lifecycle.open_study(study)
    for _person in range(3):
        visitor = Visitor(study).begin()
        while trial := visitor.trial:
            visitor.send(answer="yes" if trial.position > 1 else "no")
    lifecycle.close_study(study)
    summary = result.result(study).summary
    assert summary.headline.startswith("75.00% of answers find the label right (no interval:")
    assert summary.measures["shares"]["labels"]["denominator"] == 12


@pytest.mark.django_db
def test_beside_the_others_the_same_file_is_found_and_its_stimuli_are_the_same(tmp_path, monkeypatch, settings):
    files = lab_apps.documented()
    path = tmp_path / "studies" / "protocols" / "label_check.py"
    lab_apps.write(tmp_path, {"studies/protocols/label_check.py": files[lab_apps.LABEL_CHECK]})
    monkeypatch.setattr(protocols, "__path__", [*protocols.__path__, str(path.parent)])
    protocols.available.cache_clear()
    try:
        assert made_up_study("label_check", {"sample": 4}).stimuli.count() == 4
    finally:
        sys.modules.pop("studies.protocols.label_check")
        protocols.available.cache_clear()


# --- the command ------------------------------------------------------------------------------------------------------


def manage(*words: str, path: Path, apps: str = "ourlab") -> subprocess.CompletedProcess:
    command = ["env", f"PYTHONPATH={path}", f"PLUGIN_APPS={apps}", sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=configured.BASE_DIR, capture_output=True, text=True)


def test_the_command_says_a_line_for_each_property_and_ends_in_one(tmp_path):
    lab_apps.write(tmp_path, lab_apps.documented())
    done = manage("check_protocol", "label_check", "--only", "names", "controls", path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, verdict = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["pass  names", "pass  controls"]
    assert verdict == "label_check: 2 of 2 properties hold."


def test_the_command_ends_with_status_1_and_names_what_does_not_hold(tmp_path):
    files = lab_apps.documented()
    text = files[lab_apps.LABEL_CHECK]
    (line,) = (line for line in text.splitlines(keepends=True) if "yield from gold_trials" in line)
    lab_apps.write(tmp_path, files | {lab_apps.LABEL_CHECK: text.replace(line, "")})
    done = manage("check_protocol", "label_check", "--only", "controls", "names", path=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "FAIL  controls: the design asks for control trials that label_check did not make: "
        "example 1 (0 made), practice 2 (0 made), gold 2 (0 made)",
        "pass  names: key, title, version and hooks are what the platform looks for",
    ]
    assert done.stderr.splitlines() == ["CommandError: label_check: 1 of 2 properties hold; not controls"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nonsense"], "there is no protocol 'nonsense'; there are: adversarial_trials, "),
        (["rectified_labeling", "--only", "nonsense"], "there is no property 'nonsense'; there are: names, default, "),
    ],
)
def test_what_there_is_not_is_one_line_before_anything_is_made(words, line):
    with pytest.raises(CommandError) as refused:
        call_command("check_protocol", *words)
    assert str(refused.value).startswith(line)


# --- found by entry point ---------------------------------------------------------------------------------------------


def entry_point(folder: Path, value: str) -> None:
    """What pip leaves of a package that names a Django app."""
    lab_apps.write(
        folder,
        {
            "ourlab-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: ourlab\nVersion: 1.0\n",
            "ourlab-1.0.dist-info/entry_points.txt": f"[quorum.apps]\nourlab = {value}\n",
        },
    )


def test_an_installed_package_brings_its_app_by_entry_point_with_protocol_and_method(tmp_path):
    method = 'from explainers.base import Selector\n\n\nclass Last(Selector):\n    name = "last"\n    version = 1\n'
    files = {"ourlab/methods/__init__.py": "", "ourlab/methods/last.py": method}
    lab_apps.write(tmp_path, lab_apps.documented() | files)
    entry_point(tmp_path, "ourlab")
    program = "from studies import protocols; from explainers import base; "
    program += "print('label_choice' in protocols.available(), base.get('selector', 'last').__module__)"
    done = manage("shell", "--no-imports", "-c", program, path=tmp_path, apps="")
    assert done.stdout.splitlines() == ["True ourlab.methods.last"], done.stderr


def test_an_entry_point_that_names_no_package_is_one_line(tmp_path):
    entry_point(tmp_path, "nowhere")
    done = manage("check", path=tmp_path, apps="")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "A setting is wrong: The entry point 'ourlab' of quorum.apps names 'nowhere', and there is no Python package "
        "of that name."
    ]
