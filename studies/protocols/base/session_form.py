"""What comes before, between and after a study's trials; every protocol has these settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from .field_help import FieldHelp
from .fields import ImageListField, PercentagesField

#: What a line of `questions` says after its question where the answer is a number.
NUMBER = "number"
MOST_QUESTIONS = 20
#: The probability of its true class from which an image is clear enough to be a control trial.
CLEAR = 0.9
#: What a completion address may name.
PLACEHOLDERS = {"code", "outcome"}


#: How pictures are enlarged; those with a side below SMALL pixels are smooth where a design says nothing.
SMOOTH, SQUARES, SMALL = "smooth", "squares", 128


def is_smooth(design: Mapping[str, Any], width: int, height: int) -> bool:
    """Whether a picture of so many pixels is drawn smoothly."""
    rendering = design.get("rendering", "")
    return rendering == SMOOTH or (not rendering and max(width, height) < SMALL)


class Withdrawal:
    """What becomes of the answers of participants who withdraw."""

    ANONYMISE, REMOVE = "anonymise", "remove"


class Flagging:
    """What becomes of the answers of participants with a signal of a program."""

    FLAG, EXCLUDE = "flag", "exclude"


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


#: Settings that came later: one that has its default is left out, and a design is what it was before there was one.
LATER = (
    "confidence",
    "check_images",
    "rendering",
    "picture_side",
    "evidence",
    "hidden_field",
    "by_yourself",
    "flagging",
)


class SessionForm(forms.Form):
    """The settings of a session, all of them off by default."""

    about: ClassVar[Mapping[str, FieldHelp]] = {
        "language": FieldHelp("texts", "No effect on the results. “The browser’s” follows each participant’s browser."),
        "rendering": FieldHelp(
            "pictures",
            "Small photographs are recognised more easily when they are smooth. Squares show single pixels, which "
            "matters where changes of pixels are judged.",
            "",
            "Quorum’s default.",
        ),
        "picture_side": FieldHelp(
            "pictures",
            "Larger pictures are recognised more easily, and need larger screens. A window that is too small shows "
            "them smaller.",
            "pixels of the page",
        ),
        "questions": FieldHelp(
            "questions",
            "Adds a page before the instructions. Answers are exported per participant and never analysed.",
            "one per line",
        ),
        "example": FieldHelp("instructions", "Needs one more image that the classifier gets right."),
        "practice": FieldHelp(
            "checks",
            "Each adds a trial and a page of feedback, so time and cost per participant.",
            "trials per person",
        ),
        "gold": FieldHelp(
            "checks",
            "Each adds a trial to every visit, so time and cost. Where there are enough images, so many are prepared "
            "that each is met as often as other pictures, and nobody finds them by looking.",
            "trials per visit",
        ),
        "check_images": FieldHelp(
            "checks",
            "Look at each picture and choose those with one right answer. The first becomes the example, where there "
            "is one, the next are practice, the rest gold.",
            "one per line",
        ),
        "gold_rate": FieldHelp(
            "screening",
            "A higher share screens out more people, including some who erred once: with "
            "4 gold trials, each counts 25%.",
            "a share, from 0 to 1",
        ),
        "min_answer_ms": FieldHelp(
            "screening",
            "A shorter answer cannot be about the picture: it is kept, does not count, and is asked of others. "
            "Answers whose page measured no time count.",
            "milliseconds",
            "Quorum’s default: 200 ms, less than it takes to see a picture and press a key.",
        ),
        "spending": FieldHelp(
            "people",
            "Registered looks do not add false alarms: each has a boundary that its tests must cross. A look that is "
            "not registered marks the result as exploratory.",
            "",
            "Lan and DeMets 1983.",
        ),
        "interim_looks": FieldHelp(
            "people",
            "Each look spends a part of the 5%, so the last test is held to a smaller p. A look may come 5 points "
            "earlier or later than registered.",
            "% of all answers",
        ),
        "reopen_screened": FieldHelp(
            "screening", "On: each person who is screened out is replaced by another. Off: their answers count."
        ),
        "withdrawal": FieldHelp(
            "consent", "Removed answers leave panels incomplete once the study is closed; kept answers do not."
        ),
        "record_display": FieldHelp(
            "consent",
            "Adds six columns to the export and a sentence to the consent text. An analysis can then tell who saw "
            "larger or smaller pictures.",
        ),
        "evidence": FieldHelp(
            "consent",
            "Adds two columns to the export and a sentence to the consent text. Results then come with and without "
            "participants who show signs of a program.",
        ),
        "hidden_field": FieldHelp(
            "screening",
            "Some programs fill in every field. People do not see it, and screen readers and the keyboard skip it.",
        ),
        "by_yourself": FieldHelp("instructions", "No effect on the results by itself."),
        "flagging": FieldHelp(
            "screening",
            "Registered when the study opens. A program that hides its traces shows no sign, so the share found is a "
            "lower bound.",
        ),
        "confidence": FieldHelp(
            "asked",
            "Adds a column to the export and a few seconds to each trial. Answers are then sent by a button of their "
            "own.",
        ),
        "one_per_browser": FieldHelp(
            "consent",
            "A second participant in the same browser is refused. Another browser, another device or a private window "
            "is another participant all the same.",
        ),
        "comments": FieldHelp("end", "Adds a page before the end. Comments are exported as written."),
        "debrief": FieldHelp("end", "No effect on the results: participants read it after their last answer."),
        "completion_url": FieldHelp(
            "end",
            "With an address, participants return to the site that recruited them. Without one, they copy their code.",
            "address",
        ),
    }

    language = forms.ChoiceField(
        choices=[("", "the browser's"), ("en", "English"), ("fr", "Français"), ("de", "Deutsch")],
        initial="",
        required=False,
        help_text="Language of the pages. Titles, consent and class names stay as you write them.",
    )
    rendering = forms.ChoiceField(
        choices=[
            ("", f"smooth below {SMALL} pixels, otherwise squares"),
            (SMOOTH, "smooth"),
            (SQUARES, "every pixel a square"),
        ],
        initial="",
        required=False,
        help_text="Drawing of enlarged pictures.",
    )
    picture_side = forms.IntegerField(
        required=False,
        min_value=32,
        max_value=1024,
        help_text="Largest side of a picture on screen, by whole multiples of its pixels. Leave empty for up to 448.",
    )
    questions = forms.CharField(
        initial="",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=(
            "Questions about the participant, one per line: “How old are you? | number”, “Do "
            "you wear glasses? | yes | no”. A question alone asks for a line of text. "
            "Participants may skip any of them."
        ),
    )
    example = forms.BooleanField(
        initial=False, required=False, help_text="Show an example with its answer in the instructions."
    )
    practice = forms.IntegerField(
        initial=0,
        required=False,
        min_value=0,
        max_value=20,
        help_text=(
            "Practice trials at the beginning of the first visit. After each, participants see the expected answer."
        ),
    )
    gold = forms.IntegerField(
        initial=0,
        required=False,
        min_value=0,
        max_value=100,
        help_text=(
            "Gold trials per visit. Their answer is known, they look like the others, and they are never counted."
        ),
    )
    check_images = ImageListField(
        initial=[],
        required=False,
        clear=CLEAR,
        help_text=(
            "Photographs for the example, practice and gold, in this order. Leave empty to draw them at random from "
            "those that the classifier gets right with at least 90%."
        ),
    )
    gold_rate = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text=(
            "Minimum share of gold trials to answer correctly per visit. Participants are "
            "screened out once they can no longer reach it. Leave empty for no screening."
        ),
    )
    min_answer_ms = forms.IntegerField(
        initial=200,
        required=False,
        min_value=0,
        max_value=10_000,
        help_text="Minimum time per answer, after the picture was painted. Shorter answers do not count.",
    )
    spending = forms.ChoiceField(
        choices=[
            ("", "no registered looks"),
            ("obrien_fleming", "O'Brien and Fleming's: little early, nearly all at the end"),
            ("pocock", "Pocock's: about as much at each look"),
        ],
        initial="",
        required=False,
        help_text="Spending function of registered interim looks.",
    )
    interim_looks = PercentagesField(
        initial="",
        required=False,
        max_length=200,
        help_text="Registered interim looks, as percentages of all answers in rising order, such as 50 or 25, 50, 75.",
    )
    reopen_screened = forms.BooleanField(
        initial=True,
        required=False,
        help_text="Discard the answers of people who are screened out and ask others instead.",
    )
    record_display = forms.BooleanField(
        initial=False,
        required=False,
        help_text="Record the shown size of pictures, device pixels, zoom and browser version with each answer. A "
        "sentence that says so is added to the consent text.",
    )
    evidence = forms.BooleanField(
        initial=False,
        required=False,
        help_text="Record with each answer the device, the pointer's movement, and whether the page was in sight. A "
        "sentence that says so is added to the consent text.",
    )
    hidden_field = forms.BooleanField(
        initial=False, required=False, help_text="Put a field on each trial's page that people do not come upon."
    )
    by_yourself = forms.BooleanField(
        initial=False, required=False, help_text="Ask participants in the instructions to answer by themselves."
    )
    flagging = forms.ChoiceField(
        choices=[("", "no rule"), (Flagging.FLAG, "flag them"), (Flagging.EXCLUDE, "do not count their answers")],
        initial="",
        required=False,
        help_text="Participants who show signs of a program: flagged, or not counted and replaced by others.",
    )
    confidence = forms.BooleanField(
        initial=False, required=False, help_text="Ask with each answer how sure participants are, from 1 to 5."
    )
    one_per_browser = forms.BooleanField(
        initial=False,
        required=False,
        help_text="Let each browser take part once. Adds a cookie and a sentence about it to the consent text.",
    )
    comments = forms.BooleanField(initial=False, required=False, help_text="Ask for comments at the end.")
    withdrawal = forms.ChoiceField(
        choices=[(Withdrawal.ANONYMISE, "keep them without the person"), (Withdrawal.REMOVE, "remove them")],
        initial=Withdrawal.ANONYMISE,
        required=False,
        help_text=(
            "Answers of participants who withdraw: kept with nothing that identifies the "
            "person, or removed. Removed answers are asked of others while the study is open."
            " The composed consent text says the same."
        ),
    )
    debrief = forms.CharField(
        initial="",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Debriefing shown at the end: the purpose of the study, and a contact.",
    )
    completion_url = forms.CharField(
        initial="",
        required=False,
        max_length=500,
        help_text=(
            "Address to continue to at the end, such as a recruiter's. {code} and {outcome} "
            "(completed or screened_out) are filled in. Leave empty to show only the "
            "completion code."
        ),
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
        if design.get("check_images") and not (design.get("example") or design.get("practice") or design.get("gold")):
            self.add_error("check_images", "Needs an example, practice or gold trials to show these photographs in.")
        if not design.get("evidence"):
            for name in ("hidden_field", "flagging"):
                if design.get(name):
                    self.add_error(name, "Needs evidence: nothing is recorded without it.")
        for name in LATER:
            if not design.get(name):
                design.pop(name, None)
        spending, looks = design.get("spending"), design.get("interim_looks")
        if spending and not looks and "interim_looks" not in self.errors:
            self.add_error("interim_looks", "A spending function needs the looks it is for.")
        if looks and not spending:
            self.add_error("spending", "Registered looks need a spending function.")
        return design
