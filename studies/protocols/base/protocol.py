"""What a protocol is: a short list of hooks between a design and a result."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from .answer_parts import CONFIDENCE, AnswerPart
from .field_help import PAPER, FieldHelp, PublishedDesign
from .fields import ImageListField, MethodListField
from .json_values import as_form_data, unknown_setting
from .preregistration import Preregistration
from .results import Gallery, Summary, Table
from .sample_size import ImageCounts, SampleSize
from .session_form import LATER, SessionForm
from .shown_stimuli import ShownStimulus

if TYPE_CHECKING:
    import pandas as pd


LONGEST_MESSAGE = 1000


#: What counts as left out of fields whose empty value is not an empty text.
EMPTY: Mapping[type, tuple[Any, ...]] = {MethodListField: (None, "", [])}


class DesignError(ValueError):
    """A design that cannot be run; `messages` holds one clear line for each thing that is wrong."""

    def __init__(self, messages: list[str]):
        # A message may quote what somebody wrote, of any length and over any number of lines.
        self.messages = [" ".join(message.split())[:LONGEST_MESSAGE] for message in messages]
        super().__init__(" ".join(self.messages))


@dataclass(frozen=True)
class Catalogue:
    """What designs may name: for each classifier its class names, in the order of its outputs.

    lacks: of a classifier that has no gradients or no hidden values the sentence that says why, by "gradients" or
    "hidden".  explainers: those there are, None where that is not known.  image_sets: the name of the image set each
    classifier is judged on.  missing: of paths those that no photograph of the classifier's image set has.
    """

    classifiers: Mapping[str, tuple[str, ...]]
    lacks: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    explainers: tuple[str, ...] | None = None
    image_sets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: Callable[[str, Sequence[str]], Sequence[str]] = lambda _classifier, _paths: ()


@dataclass(frozen=True)
class Choice:
    """One answer a page offers.  `key` is the keyboard key that gives it."""

    value: str
    label: Any
    key: str


@dataclass(frozen=True)
class StimulusSpec:
    """A stimulus as a protocol describes it: JSON values only.

    `shown` is all that its page may know: pictures by their opaque names, and the words of the question.
    `truth` stays on the server while the study runs.  It holds at least `image` (the path below the imported
    folder) and `label` (the name of the class that is asked about), which name the stimulus in rates and exports.
    """

    condition: str
    shown: Mapping[str, Any]
    truth: Mapping[str, Any]
    #: Stimuli that show the same thing are a family: nobody meets two of one within a visit.  Empty: a family of none.
    family: str = ""
    #: main; or gold, practice or example for a control trial, whose known answer is `truth["expected"]`; or training.
    role: str = "main"
    #: Where a visit has phases, the one it is met in, by `block_of`.
    block: str = ""


@dataclass(frozen=True)
class Arms:
    """How people meet conditions where nobody may meet all of them at once: one of these a visit, in turn.

    Each participant begins with one of `conditions`, as evenly as the answers still wanted allow, and comes to so many
    `visits`, each with the next condition; a visit begins `washout` after the last answer of the one before.  With
    one visit these are separate groups of people.
    """

    conditions: tuple[str, ...]
    visits: int = 1
    washout: timedelta = timedelta()
    #: In so many ways sets of images are rotated over phases, each for as many people of every condition.  With more
    #: than one, people are put into condition and rotation together, in random blocks that hold each of them once.
    rotations: int = 1


@dataclass(frozen=True)
class Phase:
    """A part of a visit: so many trials, to learn from or to be counted; one phase follows the other."""

    name: str
    trials: int
    training: bool = False


def block_of(phase: Phase, rotation: int) -> str:
    """What the stimuli of a phase are called, for participants of this rotation."""
    return f"{rotation}.{phase.name}"


def classifiers_of(design: Mapping[str, Any]) -> list[str]:
    """The names of the classifiers that a design is about; the first one's image set is shown."""
    return list(design.get("classifiers") or []) or [design.get("classifier", "")]


class DesignForm(SessionForm):
    """The settings every protocol has.  Its cleaned data *is* the design.

    A field called `classes` holds names of the classifier's classes; other names in it are refused.
    """

    about: ClassVar[Mapping[str, FieldHelp]] = {
        "classifier": FieldHelp(
            "pictures", "The classifier’s decisions are judged, and the pictures come from its image set."
        ),
        "answers_per_stimulus": FieldHelp(
            "people",
            "Answers, people and cost grow in proportion. A larger panel gives a more "
            "certain verdict on each stimulus. More stimuli and more people in total make"
            " the interval narrower.",
            "people per stimulus",
            f"{PAPER}: five for each image.",
        ),
        "trials_per_participant": FieldHelp(
            "people",
            "Fewer trials per person need more people and make the interval narrower, because people are sampled too. "
            "No single person should give more than 4% of all answers.",
            "stimuli per person",
            "Quorum’s default: a few minutes of work.",
        ),
        "seed": FieldHelp(
            "pictures",
            "A different seed draws different images, control trials and orders. The same"
            " seed gives the same study again.",
            "any whole number",
        ),
    }

    #: The settings that the design's page shows unfolded, beside those that have no default.
    essential: ClassVar[tuple[str, ...]] = (
        "sample",
        "images",
        "answers_per_stimulus",
        "threshold",
        "trials_per_participant",
    )

    classifier = forms.ChoiceField(help_text="Classifier whose decisions participants judge.")
    answers_per_stimulus = forms.IntegerField(
        initial=5,
        required=False,
        min_value=1,
        max_value=99,
        help_text="Number of different people who answer each stimulus (a panel).",
    )
    trials_per_participant = forms.IntegerField(
        initial=50,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Maximum number of stimuli shown to one person.",
    )
    seed = forms.IntegerField(
        initial=0,
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="Seed for every random choice in the study.",
    )

    def __init__(self, *args: Any, catalogue: Catalogue, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Last of all, wherever a protocol's own settings stand.
        for name in (*SessionForm.base_fields, "seed"):
            self.fields[name] = self.fields.pop(name)
        self.catalogue = catalogue
        # None is chosen before somebody chooses: a study of the wrong one looks like any other.
        if "classifier" in self.fields:
            self.fields["classifier"].choices = [("", "–"), *((name, name) for name in catalogue.classifiers)]
        for field in self.fields.values():
            if isinstance(field, MethodListField):
                field.known = catalogue.explainers
            if isinstance(field, forms.ChoiceField):
                values = ", ".join(str(value) for value, _ in field.choices if value != "")
                field.error_messages["invalid_choice"] = f"Must be one of {values}, not %(value)s."
        known = f"there are: {', '.join(catalogue.classifiers)}" if catalogue.classifiers else "import one first"
        if "classifier" in self.fields:
            self.fields["classifier"].error_messages["invalid_choice"] = (
                f"%(value)s is not the name of a classifier ({known})."
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, field_ in self.fields.items():
            # An optional field left out means its default, so that the stored design is always complete.
            optional = not field_.required and not isinstance(field_, forms.BooleanField) and name not in LATER
            if optional and cleaned.get(name) in EMPTY.get(type(field_), (None, "")) and name not in self.errors:
                cleaned[name] = field_.initial
        known = self.catalogue.classifiers.get(classifiers_of(cleaned)[0], ())
        if known and (missing := [name for name in cleaned.get("classes", []) if name not in known]):
            self.add_error("classes", f"This classifier has no class {', '.join(missing)}.")
        classifier = next(iter(classifiers_of(cleaned)), "")
        for name, field_ in self.fields.items():
            paths = cleaned.get(name, []) if isinstance(field_, ImageListField) and classifier else []
            if missing := self.catalogue.missing(classifier, paths) if paths else ():
                self.add_error(name, f"The image set of {classifier} has no photograph {missing[0]}.")
        classifier = cleaned.get("classifier", "")
        lacks = self.catalogue.lacks.get(classifier, {})
        for name, needed in self.needs(cleaned):
            if needed in lacks:
                self.add_error(name, f"{classifier}: {lacks[needed]}.")
        return cleaned

    def needs(self, design: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """The settings by which this design needs what not every classifier has: "gradients" or "hidden" for each.

        Settings that were refused are missing in `design`.
        """
        return ()


class Protocol:
    """A kind of study: what is designed, shown, asked and counted.

    A subclass sets the class attributes and implements `stimuli`, `choices`, `simulated_answer` and `summary`.
    Its template is `templates/protocols/<key>.html`: it extends `page` and fills the blocks `instructions` and
    `question`; of a stimulus it is given `shown` and `choices`, nothing more.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    #: Rises whenever the same design would give other stimuli, pages or results.
    version: ClassVar[int]
    #: One sentence for the researcher who chooses.
    description: ClassVar[str]
    form_class: ClassVar[type[DesignForm]] = DesignForm
    #: What `truth` holds beside image and label: the columns it adds to stimuli.csv, each with its meaning.
    truth_columns: ClassVar[Mapping[str, str]] = {}
    #: The columns it adds to answers.csv, each with its kind (text, integer or number) and its meaning; `answer_cells`
    #: gives their values.
    answer_columns: ClassVar[Mapping[str, tuple[Literal["text", "integer", "number"], str]]] = {}
    #: What of `truth` the summary reads; studies can be large, so nothing else is loaded for it.
    summary_reads: ClassVar[tuple[str, ...]] = ()
    #: Settings that change the analysis alone, nothing that was shown or asked: an amendment may change them.
    amendable: ClassVar[tuple[str, ...]] = ()
    #: What of `shown` it reads, for its galleries.
    summary_shows: ClassVar[tuple[str, ...]] = ()
    #: How long a stimulus is kept for the person who looks at it.
    lease: ClassVar[timedelta] = timedelta(minutes=10)

    #: Published studies of this kind, to start a design from; the first is what people mean by the paper's.
    papers: ClassVar[tuple[PublishedDesign, ...]] = ()
    #: What an answer usually takes, for planning.
    seconds: ClassVar[float] = 5.0

    #: Settings that `check_protocol` cannot guess: they keep its studies small, or differ from the default.
    contract_design: ClassVar[Mapping[str, Any]] = {}

    # --- design -----------------------------------------------------------------------------------------------------

    def form(self, data: Mapping[str, Any] | None = None, *, catalogue: Catalogue, **kwargs: Any) -> DesignForm:
        """The design form, bound to `data` where it is given."""
        return self.form_class(data, catalogue=catalogue, **kwargs)

    def clean(self, data: Any, *, catalogue: Catalogue) -> dict[str, Any]:
        """The complete, valid design that `data` describes; DesignError with one line for each mistake."""
        if not isinstance(data, dict):
            raise DesignError(["a design is a JSON object of settings"])
        # A form takes a switch that is not sent for off; a design takes it for its default.
        # JSON has types: true is not a count, 4.5 is not rounded away, and a list is not the text Python shows it as.
        fields = self.form(catalogue=catalogue).fields
        read, mistyped = as_form_data(fields, data)
        form = self.form({**_switches(self.form_class), **read}, catalogue=catalogue)
        known = list(form.fields)
        errors = [unknown_setting(str(name), known) for name in data if name not in form.fields]
        errors += [f"{name}: {problem}" for name, problem in mistyped.items()]
        for name, messages in form.errors.items():
            if name in mistyped:
                continue
            where = "" if name == NON_FIELD_ERRORS else f"{name}: "
            errors += [where + message for message in messages]
        if errors:
            raise DesignError(errors)
        return {name: form.cleaned_data[name] for name in known if name in form.cleaned_data}

    # --- preparing --------------------------------------------------------------------------------------------------

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        """What participants will see, as straight-line code over a bench (studies.preparation.Bench)."""
        raise NotImplementedError

    def control_trials(self, design: Mapping[str, Any]) -> dict[str, int]:
        """How many stimuli of each role with a known answer the design asks for; `stimuli` makes these, or more."""
        arms = self.arms(design)
        gold = design["gold"] * (arms.visits if arms else 1)
        wanted = {"example": int(design["example"]), "practice": design["practice"], "gold": gold}
        return {role: n for role, n in wanted.items() if n}

    def named_checks(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        """What is asked of the checks that a researcher names in the setting `checks`, each yes or no; none where
        checks are drawn from what the classifier is sure of."""
        return ()

    def selection_counts(self, design: Mapping[str, Any], bench: Any, sampled: int) -> list[Table]:
        """How many images of each class fulfil the rules by which a design chooses them, before it is prepared; attacks
        on `sampled` images of a class.  None where it has no such rules."""
        return []

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        """What preparing found, in words and pictures for the researcher; by default every note as it stands."""
        return [], []

    def arms(self, design: Mapping[str, Any]) -> Arms | None:
        """How people are kept from meeting all conditions at once; None where they meet them in one visit."""
        return None

    def alters_pictures(self, design: Mapping[str, Any]) -> bool:
        """Whether people are shown pictures that were changed to mislead, which consent text and debriefing say."""
        return False

    def phases(self, design: Mapping[str, Any]) -> tuple[Phase, ...]:
        """The phases of a visit in their order; none where all stimuli are alike."""
        return ()

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize | None:
        """How many stimuli the design comes to, before they are prepared; None where that cannot be told."""
        return None

    # --- asking -----------------------------------------------------------------------------------------------------

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The answers offered, one of which is the decision; anything else is refused."""
        raise NotImplementedError

    def parts(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[AnswerPart, ...]:
        """What is asked beside the decision; how sure people are, where the design says so."""
        return (CONFIDENCE,) if design.get("confidence") else ()

    def before(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[AnswerPart, ...]:
        """What is asked first, on a page of its own that shows `shown_before`; stored before the rest is shown."""
        return ()

    def shown_before(self, shown: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of `shown` the page of `before` may know."""
        return shown

    def arrangements(self, shown: Mapping[str, Any]) -> int:
        """In how many orders a page may have its choices or its sides; one is drawn for each trial, and stored."""
        return 1

    def arranged(self, shown: Mapping[str, Any], arrangement: int) -> Mapping[str, Any]:
        """`shown` in the order of this number; 0 is as it was prepared."""
        return shown

    def as_arranged(self, answer: str, shown: Mapping[str, Any], arrangement: int) -> str:
        """What `answer`, given to a page as it was prepared, is on a page of this order; for simulated people."""
        return answer

    def is_expected(self, answer: str, expected: str) -> bool:
        """Whether an answer to a control trial is right; both as on a page as it was prepared."""
        return answer == expected

    def is_right(self, answer: str, parts: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
        """Whether a whole answer to a control trial is right: the decision, and the parts that
        `truth["expected_parts"]` names."""
        wanted = truth.get("expected_parts", {})
        return self.is_expected(answer, truth["expected"]) and all(parts.get(name) == wanted[name] for name in wanted)

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        """The names of the pictures a page shows, to be loaded ahead."""
        examples = (one["example"]["file"] for one in shown.get("glosses", ()) if "example" in one)
        return [shown["picture"]["file"], *examples]

    def exclusion(self, design: Mapping[str, Any], answer: str, server_ms: int) -> str:
        """Why an answer does not count and its slot opens again; empty when it counts."""
        return ""

    # --- counting ---------------------------------------------------------------------------------------------------

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        """The values of `answer_columns` of one trial; `answer` is empty where there is none yet."""
        return ()

    #: The lowest and the highest rate that can be planted.
    rate_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    #: Whether each stimulus has one right answer: then a rate, or a simulated participant's skill, is the chance that
    #: somebody knows it, and whoever does not guesses.  Otherwise a rate is the chance of yes.
    has_correct_answer: ClassVar[bool] = False

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """What a simulated participant answers, and after how many seconds."""
        raise NotImplementedError

    def simulated_parts(
        self,
        design: Mapping[str, Any],
        truth: Mapping[str, Any],
        rate: Callable[[str], float | None],
        random: np.random.Generator,
    ) -> dict[str, list[str]]:
        """What a simulated participant sends for parts that the summary reads, by name; `rate` is asked for the rate of
        what a part is about, as `truth` names it.  Other parts are drawn by themselves."""
        return {}

    def summary_parts(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the parts that the summary of this design reads."""
        return ()

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        """The result of a study, from its stimuli (one row each, in order) and its counted answers.

        `stimuli` has the columns stimulus (its number), condition and those of `summary_reads` and `summary_shows`;
        `answers` has participant (codes from 0), stimulus, answer, condition, response_ms and server_ms; and
        arrangement, where the protocol has more than one; and a column for each of `summary_parts`, None where a part
        was not answered.
        """
        raise NotImplementedError

    def picture_figures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], shown: Sequence[ShownStimulus]
    ) -> list[Gallery]:
        """Figures of pictures for a report, beside the galleries of the result; of a closed study."""
        return []

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The measures by which a rehearsal and the exclusions are judged: by name, with estimate, low and high."""
        return {}

    def planted_rate(self, truth: Mapping[str, Any], rate: float) -> float:
        """At which rate a trial is answered where `check_protocol` plants this one: another for some of the trials,
        where every measure compares trials."""
        return rate

    def planted_measures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], rate: float
    ) -> dict[str, float]:
        """The true value of rehearsal measures, by name, where everybody is simulated at this rate.

        `check_protocol` compares them with what is recovered.  For measures without one it takes the mean over many
        complete studies, which says that intervals are wide enough and nothing about bias.
        """
        return {}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        """The analysis that is frozen with the design when the study opens."""
        return Preregistration(estimand=self.description)

    def compared_classifiers(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        """The classifiers that share this design's questions, none where it is about one.

        `truth["classifiers"]` says of each stimulus what each of them got; exports have a column for each.
        """
        return ()

    def reads(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        """What of `truth` the summary of this design reads."""
        return self.summary_reads

    def before_exclusions(
        self,
        design: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
        excluded: "pd.DataFrame",
    ) -> tuple[dict[str, Any], list[Table]]:
        """What `exclusion` changed, as further measures and tables of the result; nothing by default.

        `excluded` has the columns of `answers`, and exclusion, the reason why an answer does not count.
        """
        return {}, []


def _switches(form_class: type[forms.Form]) -> dict[str, Any]:
    fields = form_class.base_fields.items()
    return {name: field.initial for name, field in fields if isinstance(field, forms.BooleanField)}


def sample(things: Iterable[Any], n: int | None, seed: int) -> list[Any]:
    """`n` of the things at random, in their old order; all of them where `n` is None or not smaller."""
    things = list(things)
    if n is None or n >= len(things):
        return things
    chosen = np.random.default_rng(seed).choice(len(things), size=n, replace=False)
    return [things[i] for i in sorted(chosen)]
