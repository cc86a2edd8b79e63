"""Evidence of answers by programs: what is a signal, and what never is."""

import pytest

from studies.analysis.automation import SIGNALS, methods, signals, tallied

PLAIN = {"by": "mouse", "trusted": True, "input": True, "off": [0.2, -0.1], "moves": 30, "net": 200}
KEYBOARD = {"by": "key", "trusted": True, "input": True, "off": None, "moves": 0, "net": None}
#: As a screen reader's action comes: of the browser, from no device, while nobody pressed anything.
ACTION = {"by": "action", "trusted": True, "input": False, "off": None, "moves": 0, "net": None}
#: As some screen readers and control by voice press: the pointer is put on the middle of a button.
PUT = {"by": "mouse", "trusted": True, "input": True, "off": [0, 0], "moves": 1, "net": 500}
SCRIPT = {"by": "action", "trusted": False, "input": False, "off": None, "moves": 0, "net": None}
#: A keyboard user's tool that clicks by a script once keys were pressed.
HINTS = {"by": "action", "trusted": False, "input": True, "off": None, "moves": 0, "net": None}


def after(*answers, session=None, hidden_field=False) -> list[str]:
    tally: dict[str, int] = {}
    for one in answers:
        tally = tallied(tally, one, hidden_field=hidden_field)
    return signals(session, tally)


@pytest.mark.parametrize("one", [PLAIN, KEYBOARD, ACTION, PUT, HINTS, {**PLAIN, "by": "touch"}, None])
def test_no_way_in_which_people_answer_is_a_signal_however_often(one):
    assert after(*[one] * 200, session={"webdriver": False}) == []


def test_answers_of_a_script_are_one_from_the_third_on():
    assert after(SCRIPT, SCRIPT, *[PLAIN] * 50) == []
    assert after(SCRIPT, PLAIN, SCRIPT, SCRIPT) == ["scripted_answers"]


def test_a_driven_browser_and_a_field_nobody_comes_upon_are_signals_at_once():
    assert after(PLAIN, session={"webdriver": True}) == ["automated_browser"]
    assert after(None, hidden_field=True) == ["hidden_field"]
    assert after(*[SCRIPT] * 3, session={"webdriver": True}, hidden_field=True) == list(SIGNALS)


def test_jumps_are_counted_and_no_signal():
    tally = tallied(tallied({}, PUT, hidden_field=False), PLAIN, hidden_field=False)
    assert tally == {"answers": 2, "mouse": 2, "jumps": 1, "scripted": 0, "hidden_field": 0}


@pytest.mark.parametrize(
    ("rule", "what"), [("exclude", "others were asked instead"), ("flag", "with and without them")]
)
def test_the_methods_paragraph_states_procedures_and_counts(rule, what):
    counts = {"flagged": 3, "automated_browser": 2, "scripted_answers": 1}
    text = methods(counts, people=40, rule=rule, instructed=True, hidden_field=False)
    assert "Of 40 participants with such records, 3 had at least one signal" in text
    assert "the browser says that a program drives it: 2; answers came from a script, without any input" in text
    assert what in text
    assert "asked to answer by themselves" in text
    assert "field" not in text
