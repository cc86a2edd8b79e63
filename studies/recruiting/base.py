"""What a recruiter is: a short list of hooks between somebody else's site and a study's link."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from studies.errors import StudyError


class Outcome:
    """How somebody leaves."""

    COMPLETED = "completed"
    #: A visit is done and another follows.
    COME_BACK = "come_back"
    SCREENED_OUT = "screened_out"
    #: They agreed, or would have, and there is nothing for them to answer.
    NOTHING_LEFT = "nothing_left"
    NO_CONSENT = "no_consent"

    ALL = (COMPLETED, COME_BACK, SCREENED_OUT, NOTHING_LEFT, NO_CONSENT)


class NotFromHere(StudyError):
    """Somebody came without what their recruiter sends along, or with something else; the message is for them."""


class Unanswered(StudyError):
    """A market did not answer: nobody knows whether it has done what it was asked."""


@dataclass(frozen=True)
class Arrived:
    """Who came, as their recruiter calls them: the person, this submission of theirs, and what was posted for it.

    In a `preview` somebody only looks: nothing is stored, and no place is taken.
    """

    person: str = ""
    submission: str = ""
    posting: str = ""
    preview: bool = False


@dataclass(frozen=True)
class WayOn:
    """Where somebody goes from here: an address, a form to be posted to it, or words alone."""

    says: str = ""
    button: str = ""
    url: str = ""
    #: Posted to `url`; None: a link.
    fields: Mapping[str, str] | None = None
    #: The origins a form may be sent to, on this page alone.
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """What is posted at a market: words, money and time."""

    title: str
    description: str
    keywords: str
    reward: Decimal
    places: int
    hours: int
    minutes: int
    approve_after_days: int
    approval_rate: int | None = None
    countries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Handed:
    """A submission that was handed in at a market."""

    WAITS: ClassVar[str] = "submitted"

    submission: str
    person: str
    #: The completion code that came with it; whoever handed it in could write anything there.
    code: str
    #: submitted, approved or rejected.
    state: str
    at: datetime | None = None
    approved_by_itself_at: datetime | None = None


@dataclass(frozen=True)
class HowFar:
    """How far a posting is: places nobody has taken, and people who are at it."""

    free: int
    at_work: int
    offered_until: datetime | None = None


class Market(ABC):
    """A recruiter that can be asked by programs.  Whatever it refuses is a StudyError of one line.

    `at` is where: the key of one of the market's places, such as a sandbox.
    """

    #: The researcher's form for an offer.
    offer_form: ClassVar[type[forms.Form]]

    @abstractmethod
    def place(self, settings: Mapping[str, Any]) -> str:
        """Where a study with these settings is posted."""

    @abstractmethod
    def is_real(self, at: str) -> bool:
        """Whether money is spent there."""

    @abstractmethod
    def why_not(self, at: str, link: str) -> str:
        """Why nothing can be posted there; empty where it can."""

    @abstractmethod
    def post(self, at: str, offer: Offer, *, link: str, token: str, qualification: str, visit: int) -> str:
        """Post an offer and return its name; again with the same token, the name of what is there already."""

    @abstractmethod
    def stop(self, at: str, posting: str) -> None:
        """Offer it to nobody else; who is at it may finish."""

    @abstractmethod
    def how_far(self, at: str, posting: str) -> HowFar:
        """How far a posting is."""

    @abstractmethod
    def handed_in(self, at: str, posting: str) -> list[Handed]:
        """What was handed in for a posting, whatever has become of it."""

    @abstractmethod
    def approve(self, at: str, submission: str) -> None:
        """Have a submission paid."""

    @abstractmethod
    def reject(self, at: str, submission: str, reason: str) -> None:
        """Leave a submission unpaid; its worker reads the reason."""

    @abstractmethod
    def bonus(self, at: str, handed: Handed, amount: Decimal, reason: str) -> None:
        """Pay more; the same amount for the same reason is paid once."""

    @abstractmethod
    def make_qualification(self, at: str, name: str) -> str:
        """Something that tells those who took part in a study from others."""

    @abstractmethod
    def qualify(self, at: str, qualification: str, person: str, visit: int) -> None:
        """Write down that somebody may come to this visit, and to none before."""


class RecruiterForm(forms.Form):
    """A recruiter's settings in one study.  Its cleaned data are the settings."""


@dataclass(frozen=True)
class Instruction:
    """One thing a researcher has to do, and what they have to copy for it."""

    says: str
    copy: str = ""
    values: Sequence[tuple[str, str]] = field(default_factory=tuple)


class Recruiter(ABC):
    """A way people come to a study.  Values in, values out: it knows no rows."""

    key: ClassVar[str]
    title: ClassVar[str]
    #: One sentence for the researcher who chooses.
    description: ClassVar[str]
    form_class: ClassVar[type[RecruiterForm]] = RecruiterForm
    #: Whether it says who comes: then the same person goes on where they were, on any device.
    names_people: ClassVar[bool] = False
    market: ClassVar[Market | None] = None

    def clean(self, data: Any) -> dict[str, Any]:
        """The complete, valid settings; StudyError with every mistake in one line."""
        form = self.form_class(data)
        if not form.is_valid():
            mistakes = [f"{name}: {' '.join(messages)}" for name, messages in form.errors.items()]
            raise StudyError(" ".join(mistakes))
        return dict(form.cleaned_data)

    @abstractmethod
    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        """What the researcher does at the recruiter's; `link` is the study's own."""

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        """Who came, by the query of the address; None where the recruiter does not say.  Raises NotFromHere."""
        return None

    def preview_says(self) -> str:
        """What somebody reads who only looks."""
        return ""

    def way_on(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> WayOn | None:
        """Where somebody goes with this outcome; None where there is nowhere to go and nothing to say."""
        return None

    def ancestors(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The origins that show the study in a frame."""
        return ()


def one(query: Mapping[str, Sequence[str]], name: str) -> str:
    """The value of a parameter that comes once; empty where it does not come, or comes more than once."""
    values = query.get(name, ())
    return values[0] if len(values) == 1 else ""
