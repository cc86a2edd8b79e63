"""What a recruiter is: a short list of hooks between somebody else's site and a study's link."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from studies.lib.errors import StudyError


class VisitOutcome:
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
class Exit:
    """Where somebody goes from here: an address, a form to be posted to it, or words alone."""

    says: str = ""
    button: str = ""
    url: str = ""
    #: Posted to `url`; None: a link.
    fields: Mapping[str, str] | None = None
    #: The origins a form may be sent to, on this page alone.
    targets: tuple[str, ...] = ()


class RecruiterForm(forms.Form):
    """A recruiter's settings in one study.  Its cleaned data are the settings."""


@dataclass(frozen=True)
class Instruction:
    """One thing a researcher has to do, and what they have to copy for it."""

    says: str
    copy: str = ""
    values: Sequence[tuple[str, str]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Draft:
    """What is posted at a recruiter's service.  Amounts are hundredths of the currency of the account there."""

    title: str
    description: str
    #: The address that people are sent to, with the recruiter's own placeholders.
    link: str
    places: int
    reward: int
    screened_out_reward: int
    minutes: int
    visit: int
    #: Where whoever takes part is noted there; empty for nowhere.
    group: str = ""
    #: Groups whose people alone, and whose people never, are shown it.
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class SubmissionState:
    """What has become of a submission at the recruiter's."""

    ACTIVE = "active"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    TIMED_OUT = "timed_out"
    SCREENED_OUT = "screened_out"
    OTHER = "other"

    PAID = (APPROVED, SCREENED_OUT)


@dataclass(frozen=True)
class Submission:
    """What the recruiter's service says of a submission."""

    id: str
    person: str
    state: str
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True)
class Fee:
    """What a recruiter takes on top of what people are paid, as a share of it; `source` says where it is published."""

    name: str
    rate: float
    source: str


class Market(ABC):
    """A recruiter's service, asked over the network.

    Each method raises ServiceError where nothing was done.  All but `pay_bonuses` and `draft` may be repeated: done
    twice is done once.
    """

    #: Why submissions may be rejected, by the service's own words, and how long a reason there must be.
    rejections: ClassVar[Mapping[str, str]] = {}
    shortest_reason: ClassVar[int] = 1

    @abstractmethod
    def draft(self, draft: Draft, settings: Mapping[str, Any]) -> str:
        """Make a posting that nobody sees yet; its id.  Repeated, it makes another, which costs nothing."""

    @abstractmethod
    def publish(self, posting: str) -> None:
        """Show a posting to people."""

    @abstractmethod
    def ended(self, posting: str) -> bool:
        """Whether nobody can begin it any more."""

    @abstractmethod
    def submissions(self, posting: str) -> Iterator[Submission]:
        """All there are of a posting, each once or more often."""

    @abstractmethod
    def approve(self, submission: str) -> None:
        """Have the person paid for it."""

    @abstractmethod
    def reject(self, submission: str, category: str, reason: str) -> None:
        """Have the person not paid for it, and told why."""

    @abstractmethod
    def ask_to_return(self, submission: str, reason: str) -> None:
        """Ask the person to give it back, so that another takes the place."""

    @abstractmethod
    def set_up_bonuses(self, posting: str, amounts: Mapping[str, int]) -> str:
        """Set up one payment of several bonuses, by submission; its id.  Nobody is paid yet."""

    @abstractmethod
    def pay_bonuses(self, batch: str) -> None:
        """Pay what was set up.  Repeated, it pays once more.

        Raises:
            OutcomeUnknown: perhaps it was paid.
        """

    @abstractmethod
    def make_group(self, name: str) -> str:
        """Make a group of people there; its id."""

    @abstractmethod
    def add_to_group(self, group: str, people: Sequence[str]) -> None:
        """Add people to a group, by their ids there."""

    @abstractmethod
    def about(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """The posting that a message to us is about, empty for any of them; None for one that is not signed by it."""

    @abstractmethod
    def subscribe(self, url: str) -> None:
        """Have messages sent to this address of ours."""


class Recruiter(ABC):
    """A way people come to a study.  Values in, values out: it knows no rows."""

    key: ClassVar[str]
    title: ClassVar[str]
    #: One sentence for the researcher who chooses.
    description: ClassVar[str]
    form_class: ClassVar[type[RecruiterForm]] = RecruiterForm
    #: Whether it says who comes: then the same person goes on where they were, on any device.
    names_people: ClassVar[bool] = False
    #: What it takes, by kind of account; the first is assumed.
    fees: ClassVar[tuple[Fee, ...]] = ()

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

    def address(self, link: str) -> str:
        """The study's link as it is posted there, with what the recruiter fills in."""
        return link

    def market(self) -> Market | None:
        """Its service, where it has one and this installation may ask it."""
        return None

    def preview_says(self) -> str:
        """What somebody reads who only looks."""
        return ""

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        """Where somebody goes with this outcome; None where there is nowhere to go and nothing to say."""
        return None

    def ancestors(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The origins that show the study in a frame."""
        return ()


def one(query: Mapping[str, Sequence[str]], name: str) -> str:
    """The value of a parameter that comes once; empty where it does not come, or comes more than once."""
    values = query.get(name, ())
    return values[0] if len(values) == 1 else ""
