"""Each property of the contract with its negative control: the documented example, broken in one place, fails it."""

import pytest

from studies import protocols
from studies.protocol_contract import PROPERTIES, keeps
from studies.protocol_contract.effects import FAMILY_WISE, GRANTED, REPLICATES, misses, most_misses
from tests import lab_apps

HOOKS = "    def choices(self, design, shown):\n        return YES_OR_NO\n"
TRUTH = 'truth={"image": image.path, "label": names[image.label]}'
SHOWN = '"ask": titles[image.label], **glossed'
GOLD = '        yield from gold_trials.questions(design, bench, photographs, condition="labels", main=len(shown))\n'
QUESTION = "{% block question %}{% blocktranslate with ask=shown.ask trimmed %}"

#: By property what is replaced by what in the file, and words of the reason.
BROKEN = [
    (
        "names",
        "summary_reads = ",
        "sumary_reads = ",
        "sumary_reads is not a hook of a protocol: did you mean summary_r",
    ),
    ("names", '"Are the labels right?", 1', '"", 1', "title is missing"),
    ("names", '"Are the labels right?", 1', '"Labels", 0', "version must be a whole number from 1 up, not 0"),
    ("default", "initial=100, required=False", "required=True", "sample: This field is required."),
    (
        "form",
        "    sample = forms",
        "    code = forms.RegexField('^x$', initial='x', required=False, help_text='Code.')\n    sample = forms",
        "no value but the default was found for code: give one in contract_design",
    ),
    (
        "types",
        HOOKS,
        HOOKS + "    def clean(self, data, *, catalogue):\n        return super().clean({**data, 'seed': 1}, "
        "catalogue=catalogue)\n",
        "seed takes a ",
    ),
    (
        "choices",
        HOOKS,
        HOOKS + "    def clean(self, data, *, catalogue):\n        return super().clean({k: v for k, v in "
        "data.items() if k != 'no_such_setting'}, catalogue=catalogue)\n",
        "an unknown setting is taken",
    ),
    ("help", ', help_text="Number of photographs to show."', "", "sample has no help text"),
    ("stimuli", SHOWN, '"ask": str(__import__("random").random()), **glossed', "the same design gives other stimuli"),
    ("stimuli", SHOWN, '"ask": {1: "one"}, **glossed', "not the same after it was written as JSON"),
    ("truth", TRUTH, 'truth={"image": image.path}', "without 'label' in its truth"),
    ("truth", 'summary_reads = ("image",)', 'summary_reads = ("image", "size")', "summary_reads names size"),
    (
        "truth",
        "    summary_reads",
        '    truth_columns = {"size": "Its size."}\n    summary_reads',
        "truth_columns names size",
    ),
    ("pictures", HOOKS, HOOKS + "    def pictures(self, shown):\n        return []\n", "pictures() names none"),
    ("pictures", HOOKS, HOOKS + "    def pictures(self, shown):\n        return ['none.png']\n", "leaves out a file"),
    (
        "controls",
        GOLD,
        "",
        "control trials that label_check did not make: example 1 (0 made), practice 2 (0 made), gold",
    ),
    (
        "controls",
        GOLD,
        GOLD.replace("yield from gold_trials", "yield from _all_yes(gold_trials").replace("))\n", ")))\n"),
        "every gold trial expects 'yes'",
    ),
    (
        "controls",
        GOLD,
        GOLD.replace("yield from gold_trials", "yield from _dotted(gold_trials").replace("))\n", ")))\n"),
        "the example trial is of a condition, or shows something, that no other stimulus does",
    ),
    ("photographs", "family=image.sha256", 'family=""', "stimuli that are not one family"),
    (
        "sample_size",
        "return SampleSize(shown,",
        "return SampleSize(shown + 1,",
        "sample_size says 17 stimuli, and 16 are",
    ),
    ("sample_size", "    def sample_size", "    def _sample_size", "sample_size gives nothing"),
    (
        "arms",
        HOOKS,
        HOOKS + "    def arms(self, design):\n        from studies.protocols import Arms\n"
        "        return Arms(('labels', 'others'))\n",
        "arms names ['labels', 'others'], made are ['labels']",
    ),
    ("secrecy", SHOWN, '"ask": image.path, **glossed', "`shown` has "),
    ("secrecy", SHOWN, '"ask": "labels", **glossed', "the page shows labels"),
    ("offered", "return YES_OR_NO", "return YES_OR_NO[:1]", "choices offers ['yes']"),
    (
        "languages",
        "return YES_OR_NO",
        "from studies.protocols import Choice\n        return Choice('yes', 'Yes', 'y'), Choice('no', 'No', 'y')",
        "two answers have the key y",
    ),
    (
        "simulated",
        "return simulated(0.9 if rate is None else rate, random)",
        "return 'perhaps', 1.0",
        "'perhaps', which",
    ),
    (
        "session",
        HOOKS,
        HOOKS + "    def exclusion(self, design, answer, server_ms):\n        return 'too fast'\n",
        "80 answers are still wanted after ",
    ),
    ("rehearsal", "    def rehearsal_measures", "    def _measures", "rehearsal_measures gives nothing"),
    ("empty", '"No answer counts yet."', '"Nothing."', "the headline does not say “No answer counts yet”: Nothing."),
    (
        "empty",
        '{"right": share for share in measures["shares"].values()}',
        '{"right": measures["shares"]["labels"]}',
        "ourlab.protocols.label_check, line ",
    ),
    ("summary", "[table], [figure]", "[], [figure]", "of the measures stands in no table"),
    ("summary", '{"shares": shares}, [table]', '{"shares": shares, "lift": float("nan")}, [table]', "not JSON values"),
    ("preregistration", "            computations=[", "            computations=[] and [", "gives no computations"),
    (
        "preregistration",
        '"shares",\n                    "image"',
        '"share",\n                    "image"',
        "no kind 'share'",
    ),
    ("recompute", '{"shares": shares}, [table]', '{"shares": shares, "lift": 0.93}, [table]', "not checked: lift"),
    ("forgery", "            computations=[", "            computations=[] and [", "every counted answer was changed"),
    ("planted", 'return {"right": rate}', 'return {"right": rate + 0.15}', "intervals of right miss 0.5"),
    (
        "planted",
        "        share = shares",
        "        shares['labels'] |= {end: shares['labels']['estimate'] + by for end, by in "
        "(('low', -0.001), ('high', 0.001))}\n        share = shares",
        "intervals of right miss ",
    ),
    ("response", '(said["answer"].astype(str) == "yes")', '(said["participant"] % 2 == 0)', "no measure moves by 0.05"),
]
HELPERS = """

def _all_yes(checks):
    from dataclasses import replace

    for spec in checks:
        yield replace(spec, truth={**spec.truth, "expected": "yes"})


def _dotted(checks):
    from dataclasses import replace

    for spec in checks:
        yield replace(spec, shown={**spec.shown, "dot": True})
"""


@pytest.fixture
def example(tmp_path, monkeypatch, settings):
    """The documented protocol with one change, installed."""

    def changed(old: str, new: str, *, file: str = lab_apps.LABEL_CHECK) -> protocols.Protocol:
        files = lab_apps.documented()
        assert files[file].count(old) == 1, old
        files[file] = files[file].replace(old, new)
        files[lab_apps.LABEL_CHECK] += HELPERS
        lab_apps.write(tmp_path, files)
        monkeypatch.syspath_prepend(tmp_path)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, lab_apps.APP]
        lab_apps.forget()
        return protocols.get("label_check")

    yield changed
    lab_apps.forget()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(BROKEN)],
)
def test_a_promise_that_is_broken_is_named(example, name, old, new, words):
    problem = keeps(example(old, new), name)
    assert words in problem
    assert "\n" not in problem


def test_every_property_has_a_protocol_that_breaks_it():
    assert {case[0] for case in BROKEN} == {each.name for each in PROPERTIES}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("languages", QUESTION, "{% block other %}{% blocktranslate with ask=shown.ask trimmed %}", "asks nothing"),
        ("names", "{% extends page %}", "{% extends page %}{% endfor %}", "TemplateSyntaxError"),
    ],
)
def test_a_template_that_is_not_whole_is_named(example, name, old, new, words):
    problem = keeps(example(old, new, file="ourlab/templates/protocols/label_check.html"), name)
    assert words in problem


def test_a_correct_newcomer_fails_less_than_once_in_ten_thousand():
    """By simulation of what is counted: eight measures at two rates, whose intervals miss 8 % of the time."""
    import numpy as np

    tests = 16
    most = most_misses(REPLICATES, tests)
    missed = np.random.default_rng(0).binomial(REPLICATES, GRANTED, size=(200_000, tests))
    failing = (missed > most).any(axis=1).mean()
    assert failing <= FAMILY_WISE
    # And not by never failing at all: intervals that miss half of the time are found out.
    half = np.random.default_rng(1).binomial(REPLICATES, 0.5, size=100_000)
    assert (half > most).mean() > 0.97


def test_intervals_that_miss_are_counted_and_those_that_are_missing_are_not():
    inside, outside = {"estimate": 0.5, "low": 0.4, "high": 0.6}, {"estimate": 0.5, "low": 0.55, "high": 0.6}
    none = {"estimate": 0.5, "low": None, "high": None}
    assert misses("share", [inside] * 40 + [none] * 40, 0.5, 1) == ""
    assert misses("share", [outside] * 20 + [inside] * 20, 0.5, 1).startswith("20 of 40 intervals of share miss 0.500")
