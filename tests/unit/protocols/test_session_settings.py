"""The settings of what comes around the trials: mistakes are one clear line."""

import pytest
from django.core.exceptions import ValidationError

from studies import protocols
from studies.protocols import Catalogue, DesignError
from studies.protocols.base.session_form import BackgroundForm, Question, parse_questions

CATALOGUE = Catalogue({"net": ("red", "blue")})


def clean(**settings):
    return protocols.get("rectified_labeling").clean({"classifier": "net", **settings}, catalogue=CATALOGUE)


def test_questions_are_a_line_each():
    text = "How old are you? | number\n\n  Glasses? | yes | no  \nYour work?\n"
    assert parse_questions(text) == [
        Question("How old are you?", number=True),
        Question("Glasses?", ("yes", "no")),
        Question("Your work?"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("| yes | no", "Line 1: the question is missing before the first “|”."),
        ("Age? | number\nGlasses? | yes", "Line 2: after “|” stand “number”, or two or more different choices."),
        ("Glasses? | yes |", "Line 1: after “|” stand “number”, or two or more different choices."),
        ("Glasses? | yes | yes", "Line 1: after “|” stand “number”, or two or more different choices."),
        ("Age?\nAge? | number", "The same question is asked twice."),
        ("\n".join(f"Question {i}?" for i in range(21)), "At most 20 questions, not 21."),
    ],
)
def test_a_mistake_in_the_questions_is_told_with_its_line(text, line):
    with pytest.raises(ValidationError, match=line.replace("|", r"\|").replace("?", r"\?")):
        parse_questions(text)
    with pytest.raises(DesignError) as refused:
        clean(questions=text)
    assert refused.value.messages == [f"questions: {line}"]


def test_answers_about_the_person_are_checked_and_may_be_empty():
    questions = "Age? | number\nGlasses? | yes | no\nWork?"
    form = BackgroundForm({"question_1": "", "question_2": "", "question_3": ""}, questions)
    assert form.is_valid()
    assert form.said() == {"Age?": "", "Glasses?": "", "Work?": ""}
    for wrong in ({"question_1": "-1"}, {"question_1": "old"}, {"question_2": "maybe"}, {"question_3": "x" * 501}):
        assert not BackgroundForm(wrong, questions).is_valid()
    assert BackgroundForm({"question_1": "0"}, questions).is_valid()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"completion_url": "https://x.example/{who}"}, "Only {code} and {outcome} are filled in, not {who}."),
        ({"completion_url": "https://x.example/{"}, "Only {code} and {outcome} are filled in"),
        ({"completion_url": "javascript:alert({code})"}, "Enter a valid URL."),
        ({"completion_url": "not an address"}, "Enter a valid URL."),
        ({"gold_rate": 0.5}, "Needs gold trials: gold is 0."),
        ({"gold": 2, "gold_rate": 1.5}, "less than or equal to 1"),
        ({"practice": -1}, "greater than or equal to 0"),
        ({"example": "yes"}, "must be true or false, not 'yes'"),
        ({"comments": 1}, "must be true or false, not 1"),
        ({"gold": True}, "must be a whole number, not True"),
        ({"language": "nl"}, "Must be one of"),
    ],
)
def test_a_mistake_in_a_setting_is_one_line_that_names_it(settings, line):
    with pytest.raises(DesignError) as refused:
        clean(**settings)
    (message,) = refused.value.messages
    assert message.startswith(f"{list(settings)[-1]}: ")
    assert line in message


def test_a_switch_left_out_of_a_design_has_its_default():
    assert clean()["reopen_screened"] is True
    assert clean(reopen_screened=False)["reopen_screened"] is False
