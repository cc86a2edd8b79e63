"""What a protocol is: a short list of hooks between a design and a result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from .expected import Expected, Known
from .explained import PAPER, AsInPaper, Setting
from .registered import Registered
from .results import Gallery, Summary, Table
from .session import SessionForm

if TYPE_CHECKING:
    import pandas as pd


LONGEST_MESSAGE = 1000


class DesignError(ValueError):
    """A design that cannot be run; `messages` holds one clear line for each thing that is wrong."""

    def __init__(self, messages: list[str]):
        # A message may quote what somebody wrote, of any length and over any number of lines.
        self.messages = [" ".join(message.split())[:LONGEST_MESSAGE] for message in messages]
        super().__init__(" ".join(self.messages))


@dataclass(frozen=True)
class Catalogue:
    """What designs may name: for each classifier its class names, in the order of its outputs."""

    classifiers: Mapping[str, tuple[str, ...]]


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
    #: main; or gold, practice or example for a check, whose known answer is `truth["expected"]`.
    role: str = "main"


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


class DesignForm(SessionForm):
    """The settings every protocol has.  Its cleaned data *is* the design.

    A field called `classes` holds names of the classifier's classes; other names in it are refused.
    """

    about: ClassVar[Mapping[str, Setting]] = {
        "classifier": Setting("pictures", "Whose decisions are judged, and whose image set the pictures come from."),
        "answers_per_stimulus": Setting(
            "people",
            "Answers, people and cost grow in proportion. More people make each panel surer; more stimuli, and more "
            "people over all, make the interval narrower.",
            "people for each stimulus",
            f"{PAPER}: five for each image.",
        ),
        "trials_per_participant": Setting(
            "people",
            "The fewer, the more people are needed, and the narrower the interval: it is people that are sampled, too. "
            "No one person should give more than a twenty-fifth of all answers.",
            "stimuli for each person",
            "Quorum’s own: some minutes of work.",
        ),
        "seed": Setting(
            "pictures",
            "Another number draws other images, checks and orders. The same number gives the same study again.",
            "any whole number",
        ),
    }

    classifier = forms.ChoiceField(help_text="The classifier people judge.")
    answers_per_stimulus = forms.IntegerField(
        initial=5,
        required=False,
        min_value=1,
        max_value=99,
        help_text="A panel: how many different people answer each stimulus.",
    )
    trials_per_participant = forms.IntegerField(
        initial=50,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="How many stimuli one person is shown at most.",
    )
    seed = forms.IntegerField(
        initial=0, required=False, min_value=0, max_value=2**31 - 1, help_text="Of every random choice the study makes."
    )

    def __init__(self, *args: Any, catalogue: Catalogue, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Last of all, wherever a protocol's own settings stand.
        for name in (*SessionForm.base_fields, "seed"):
            self.fields[name] = self.fields.pop(name)
        self.catalogue = catalogue
        self.fields["classifier"].choices = [(name, name) for name in catalogue.classifiers]
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                values = ", ".join(str(value) for value, _ in field.choices)
                field.error_messages["invalid_choice"] = f"Must be one of {values}, not %(value)s."
        known = f"there are: {', '.join(catalogue.classifiers)}" if catalogue.classifiers else "import one first"
        self.fields["classifier"].error_messages["invalid_choice"] = (
            f"There is no classifier called %(value)s ({known})."
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, field_ in self.fields.items():
            # An optional field left out means its default, so that the stored design is always complete.
            if not field_.required and cleaned.get(name) in (None, "") and name not in self.errors:
                cleaned[name] = field_.initial
        known = self.catalogue.classifiers.get(cleaned.get("classifier", ""), ())
        if known and (missing := [name for name in cleaned.get("classes", []) if name not in known]):
            self.add_error("classes", f"This classifier has no class {', '.join(missing)}.")
        return cleaned


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
    known: ClassVar[Mapping[str, str]] = {}
    #: What of `truth` the summary reads; studies can be large, so nothing else is loaded for it.
    summary_reads: ClassVar[tuple[str, ...]] = ()
    #: Settings that change the analysis alone, nothing that was shown or asked: an amendment may change them.
    amendable: ClassVar[tuple[str, ...]] = ()
    #: What of `shown` it reads, for its galleries.
    summary_shows: ClassVar[tuple[str, ...]] = ()
    #: How long a stimulus is kept for the person who looks at it.
    lease: ClassVar[timedelta] = timedelta(minutes=10)

    #: Published studies of this kind, to start a design from; the first is what people mean by the paper's.
    papers: ClassVar[tuple[AsInPaper, ...]] = ()
    #: What an answer usually takes, for planning.
    seconds: ClassVar[float] = 5.0

    # --- design -----------------------------------------------------------------------------------------------------

    def form(self, data: Mapping[str, Any] | None = None, *, catalogue: Catalogue, **kwargs: Any) -> DesignForm:
        """The design form, bound to `data` where it is given."""
        return self.form_class(data, catalogue=catalogue, **kwargs)

    def clean(self, data: Any, *, catalogue: Catalogue) -> dict[str, Any]:
        """The complete, valid design that `data` describes; DesignError with one line for each mistake."""
        if not isinstance(data, dict):
            raise DesignError(["a design is a JSON object of settings"])
        # A form takes a switch that is not sent for off; a design takes it for its default.
        form = self.form({**_switches(self.form_class), **data}, catalogue=catalogue)
        known = list(form.fields)
        errors = [f"{name}: unknown setting (known: {', '.join(known)})" for name in data if name not in form.fields]
        # JSON has types: true is not a count, and 4.5 is not rounded away.
        switches = {name for name, field in form.fields.items() if isinstance(field, forms.BooleanField)}
        mistyped = [name for name, value in data.items() if isinstance(value, bool) is not (name in switches)]
        for name in mistyped:
            errors.append(f"{name}: must {'be true or false, not' if name in switches else 'not be'} {data[name]!r}")
        for name, messages in form.errors.items():
            if name in mistyped:
                continue
            where = "" if name == NON_FIELD_ERRORS else f"{name}: "
            errors += [where + message for message in messages]
        if errors:
            raise DesignError(errors)
        return {name: form.cleaned_data[name] for name in known}

    # --- preparing --------------------------------------------------------------------------------------------------

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        """What participants will see, as straight-line code over a bench (studies.workbench.Bench)."""
        raise NotImplementedError

    def prepared(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        """What preparing found, in words and pictures for the researcher; by default every note as it stands."""
        return [], []

    def arms(self, design: Mapping[str, Any]) -> Arms | None:
        """How people are kept from meeting all conditions at once; None where they meet them in one visit."""
        return None

    def expected(self, design: Mapping[str, Any], known: Known) -> Expected | None:
        """How many stimuli the design comes to, before they are prepared; None where that cannot be told."""
        return None

    # --- asking -----------------------------------------------------------------------------------------------------

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The answers offered; anything else is refused."""
        raise NotImplementedError

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        """The names of the pictures a page shows, to be loaded ahead."""
        examples = (one["example"]["file"] for one in shown.get("glosses", ()) if "example" in one)
        return [shown["picture"]["file"], *examples]

    def exclusion(self, design: Mapping[str, Any], answer: str, server_ms: int) -> str:
        """Why an answer does not count and its slot opens again; empty when it counts."""
        return ""

    # --- counting ---------------------------------------------------------------------------------------------------

    #: Whether each stimulus has one right answer: then a rate, or a simulated participant's skill, is the chance that
    #: somebody knows it, and whoever does not guesses.  Otherwise a rate is the chance of yes.
    skilled: ClassVar[bool] = False

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """What a simulated participant answers, and after how many seconds."""
        raise NotImplementedError

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        """The result of a study, from its stimuli (one row each, in order) and its counted answers.

        `stimuli` has the columns stimulus (its number), condition and those of `summary_reads` and `summary_shows`;
        `answers` has participant (codes from 0), stimulus, answer, condition, response_ms and server_ms.
        """
        raise NotImplementedError

    def recovered(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The measures by which a rehearsal is judged: by name, each with estimate, low and high."""
        return {}

    def registered(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Registered:
        """The analysis that is frozen with the design when the study opens."""
        return Registered(estimand=self.description)

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

        `excluded` has the columns of `answers` but participant, and exclusion, the reason why an answer does not count.
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
