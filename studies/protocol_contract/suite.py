"""The properties one after the other, and what came of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction

from studies.lib.errors import StudyError, one_line
from studies.protocols import DesignError, Protocol

from . import answers, designs, effects, results, stimuli
from .made_up_images import takes_several
from .subject import NotKept, Subject, connection_kept


@dataclass(frozen=True)
class Property:
    """A promise: `name` as it is chosen by, `says` in words.

    `needs` names what of a Subject is made beforehand, to be shared with the properties that come after.  `designs`:
    it is about designs alone, which are checked once, whether they name one classifier or several.
    """

    name: str
    says: str
    check: Callable[[Subject], None]
    needs: tuple[str, ...] = ()
    designs: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of one property: `problem` is why it is not kept, empty where it is."""

    property: Property
    problem: str = ""
    several: bool = False

    @property
    def line(self) -> str:
        """One line for the terminal."""
        name = f"{self.property.name} (several classifiers)" if self.several else self.property.name
        return f"FAIL  {name}: {self.problem}" if self.problem else f"pass  {name}: {self.property.says}"


REHEARSED = ("with_session", "rehearsed")
PROPERTIES: tuple[Property, ...] = (
    Property("names", "key, title, version and hooks are what the platform looks for", designs.names, designs=True),
    Property("default", "a classifier alone makes a complete design", designs.default, designs=True),
    Property("form", "a design stays the same through JSON and through its form", designs.form, designs=True),
    Property("types", "every setting refuses the other types of JSON", designs.types, designs=True),
    Property("choices", "unknown settings and choices are named", designs.refusals, designs=True),
    Property("help", "every setting has a help text", designs.helped, designs=True),
    Property("stimuli", "the same design gives the same stimuli, each only once", stimuli.same),
    Property("truth", "each stimulus has the truth that exports and the summary read", stimuli.truth),
    Property("pictures", "every picture of a page is named to be loaded ahead", stimuli.pictures),
    Property("controls", "example, practice and gold are made and cannot be told apart", stimuli.controls),
    Property("photographs", "nobody meets one photograph twice under two paths", stimuli.photographs),
    Property("sample_size", "the estimate before preparing is what is prepared", stimuli.sample_size),
    Property("arms", "people are led through the conditions that are made", stimuli.arms),
    Property("secrecy", "a page shows nothing of truth, condition or class", answers.secrecy),
    Property("offered", "the answers offered are taken, and others refused", answers.offered),
    Property("languages", "the page is whole in English, French and German", answers.languages),
    Property("simulated", "simulated people answer what is offered, in more than no time", answers.simulated),
    Property("session", "simulated people fill the panels through the pages", answers.session, REHEARSED),
    Property("rehearsal", "a rehearsal compares measures and ends in one line", answers.rehearsal, REHEARSED),
    Property("empty", "a study without answers has a result that says so", results.empty),
    Property("summary", "every number of the result is in a table, and figures draw", results.summary, REHEARSED),
    Property("preregistration", "the analysis is fixed before the first answer", results.preregistration),
    Property("recompute", "the export's program finds every figure again", results.recomputed, REHEARSED),
    Property("forgery", "the export's program notices other answers", results.forgery, REHEARSED),
    Property("planted", "intervals hold what was planted in simulated answers", effects.planted),
    Property("response", "some measure follows the rate at which people answer", effects.response),
)


def check_protocol(protocol: Protocol, properties: Iterable[Property] = PROPERTIES) -> Iterator[Outcome]:
    """What comes of each property, as soon as it is known; nothing is left in the database.

    A protocol that takes one classifier or several is put through those that are not of designs alone in both ways.
    """
    properties = list(properties)
    with connection_kept(), transaction.atomic():
        for several in (False, True) if takes_several(protocol) else (False,):
            subject = Subject(protocol, several=several)
            subject.make("about")
            for each in properties:
                if not (several and each.designs):
                    yield Outcome(each, _problem(each, subject), several)
        transaction.set_rollback(True)


def keeps(protocol: Protocol, name: str) -> str:
    """The problem with one property by its name; empty where it is kept."""
    outcomes = check_protocol(protocol, [each for each in PROPERTIES if each.name == name])
    return next((outcome.problem for outcome in outcomes if outcome.problem), "")


def verdict(protocol: Protocol, outcomes: list[Outcome]) -> str:
    """What came of all, in one line."""
    failed = [outcome.property.name for outcome in outcomes if outcome.problem]
    kept = f"{protocol.key}: {len(outcomes) - len(failed)} of {len(outcomes)} properties hold"
    return f"{kept}; not {', '.join(failed)}" if failed else f"{kept}."


def _problem(each: Property, subject: Subject) -> str:
    try:
        for name in each.needs:
            subject.make(name)
        with transaction.atomic():
            try:
                each.check(subject)
            finally:
                transaction.set_rollback(True)
    except (NotKept, StudyError, DesignError) as problem:
        return one_line(problem) or type(problem).__name__
    except Exception as error:
        return f"{_place(error)}{type(error).__name__}: {one_line(error)}"
    return ""


def _place(error: Exception) -> str:
    """Where in the protocol's own code, or nearest to it, the error came from."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        frame = trace.tb_frame
        name = frame.f_globals.get("__name__", "")
        if ".protocols." in name or name.endswith(".protocols"):
            place = f"{name}, line {trace.tb_lineno}: "
        trace = trace.tb_next
    return place
