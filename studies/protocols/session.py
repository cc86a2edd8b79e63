"""What comes before, between and after a study's trials; every protocol has these settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from .explained import Setting

#: What a line of `questions` says after its question where the answer is a number.
NUMBER = "number"
MOST_QUESTIONS = 20
#: What a completion address may name.
PLACEHOLDERS = {"code", "outcome"}


class Withdrawal:
    """What becomes of the answers of somebody who withdraws."""

    ANONYMISE, REMOVE = "anonymise", "remove"


@dataclass(frozen=True)
class Question:
    """One question about the person: with choices, a number, or a line of text."""

    text: str
    choices: tuple[str, ...] = ()
    number: bool = False


def parse_questions(text: str) -> list[Question]:
    """The questions, one a line: `question`, `question | number` or `question | choice | choice …`; ValidationError."""
    questions: list[Question] = []
    for at, line in enumerate(text.splitlines(), start=1):
        question, *choices = (part.strip() for part in line.split("|"))
        if not question and not choices:
            continue
        if not question:
            raise ValidationError(f"Line {at}: the question is missing before the first “|”.")
        if choices == [NUMBER]:
            questions.append(Question(question, number=True))
        elif choices and (len(choices) < 2 or "" in choices or len(set(choices)) < len(choices)):
            raise ValidationError(f"Line {at}: after “|” stand “number”, or two or more different choices.")
        else:
            questions.append(Question(question, tuple(choices)))
    if len({question.text for question in questions}) < len(questions):
        raise ValidationError("The same question is asked twice.")
    if len(questions) > MOST_QUESTIONS:
        raise ValidationError(f"At most {MOST_QUESTIONS} questions, not {len(questions)}.")
    return questions


class BackgroundForm(forms.Form):
    """The questions about the person as participants answer them; any of them can be left empty."""

    def __init__(self, data: Mapping[str, Any] | None, questions: str):
        super().__init__(data)
        self.questions = parse_questions(questions)
        for number, question in enumerate(self.questions, start=1):
            self.fields[f"question_{number}"] = _field(question)

    def said(self) -> dict[str, str]:
        """The answers by question; empty where there is none."""
        given = (self.cleaned_data[name] for name in self.fields)
        values = ("" if value is None else str(value) for value in given)
        return {question.text: value for question, value in zip(self.questions, values, strict=True)}


def _field(question: Question) -> forms.Field:
    options = {"label": question.text, "required": False}
    if question.number:
        return forms.IntegerField(min_value=0, max_value=1_000_000, **options)
    if question.choices:
        return forms.ChoiceField(choices=[(c, c) for c in question.choices], widget=forms.RadioSelect, **options)
    return forms.CharField(max_length=500, **options)


class SessionForm(forms.Form):
    """The settings of a session, all of them off by default."""

    about: ClassVar[Mapping[str, Setting]] = {
        "language": Setting("texts", "Nothing that is counted. “The browser’s” follows each participant’s own."),
        "questions": Setting(
            "questions",
            "One more page before the instructions. The answers are exported by participant, never analysed.",
            "one a line",
        ),
        "example": Setting("instructions", "One more image that the classifier gets right is needed for it."),
        "practice": Setting(
            "checks",
            "Each adds a trial and a page of feedback to everybody’s time and cost.",
            "trials a person",
        ),
        "gold": Setting(
            "checks",
            "Each adds a trial to every visit, to time and cost. Three times as many are prepared where there are "
            "enough images, so that people do not all meet the same.",
            "trials a visit",
        ),
        "gold_rate": Setting(
            "screening",
            "Higher screens out more people, also some who only erred: with 4 gold trials each one is a quarter.",
            "a share, from 0 to 1",
        ),
        "reopen_screened": Setting(
            "screening", "On: more people are needed, one for each who is screened out. Off: their answers count."
        ),
        "withdrawal": Setting(
            "consent", "Removed answers leave panels incomplete after the study is closed; kept ones do not."
        ),
        "comments": Setting("end", "One more page before the end. Comments are exported as they were written."),
        "debrief": Setting("end", "Nothing that is counted: people read it when all their answers are given."),
        "completion_url": Setting(
            "end",
            "With an address people are led back to where they were recruited; without, they copy their code.",
            "an address",
        ),
    }

    language = forms.ChoiceField(
        choices=[("", "the browser's"), ("en", "English"), ("fr", "Français"), ("de", "Deutsch")],
        initial="",
        required=False,
        help_text="Of the pages' own words; titles, consent and class names are as you write them.",
    )
    questions = forms.CharField(
        initial="",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="About the person, one a line, before the instructions: “How old are you? | number”, “Do you wear "
        "glasses? | yes | no”, or a question alone for a line of text. Nobody has to answer them.",
    )
    example = forms.BooleanField(
        initial=False, required=False, help_text="Whether the instructions show an example with its answer."
    )
    practice = forms.IntegerField(
        initial=0,
        required=False,
        min_value=0,
        max_value=20,
        help_text="Practice trials before the first visit's trials; after each, people are told the expected answer.",
    )
    gold = forms.IntegerField(
        initial=0,
        required=False,
        min_value=0,
        max_value=100,
        help_text="Gold trials in each visit: their answer is known, they look like the others, and are never counted.",
    )
    gold_rate = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="Whoever can no longer answer this share of a visit's gold right is screened out; empty for nobody.",
    )
    reopen_screened = forms.BooleanField(
        initial=True,
        required=False,
        help_text="Whether answers of people who are screened out do not count, so that others are asked instead.",
    )
    comments = forms.BooleanField(
        initial=False, required=False, help_text="Whether people are asked for comments in the end."
    )
    withdrawal = forms.ChoiceField(
        choices=[(Withdrawal.ANONYMISE, "keep them, of nobody"), (Withdrawal.REMOVE, "remove them")],
        initial=Withdrawal.ANONYMISE,
        required=False,
        help_text="What becomes of the answers of somebody who withdraws: kept without anything that leads to the "
        "person, or removed, and others asked instead while the study is open. The consent text should say the same.",
    )
    debrief = forms.CharField(
        initial="",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What people read when they are done: what the study was about, whom to ask.",
    )
    completion_url = forms.CharField(
        initial="",
        required=False,
        max_length=500,
        help_text="Where people go on to in the end, such as a recruiter's address; {code} and {outcome} (completed or "
        "screened_out) are filled in. Empty: they are shown their completion code alone.",
    )

    def clean_questions(self) -> str:
        text = self.cleaned_data["questions"]
        parse_questions(text)
        return text

    def clean_completion_url(self) -> str:
        url = self.cleaned_data["completion_url"]
        try:
            named = {name for _, name, _, _ in Formatter().parse(url) if name is not None}
        except ValueError:
            named = {url}
        if unknown := named - PLACEHOLDERS:
            raise ValidationError(f"Only {{code}} and {{outcome}} are filled in, not {{{', '.join(sorted(unknown))}}}.")
        if url:
            URLValidator(schemes=["https", "http"])(url.format(code="CODE", outcome="completed"))
        return url

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        if design.get("gold_rate") is not None and not design.get("gold"):
            self.add_error("gold_rate", "Needs gold trials: gold is 0.")
        return design
