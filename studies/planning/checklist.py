"""What to settle before strangers take part: each point computed where the program can know, asked where it cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from studies import protocols, recruiters
from studies.designs.consent import untold
from studies.models import Study
from studies.recruiters import VisitOutcome

from .estimates import people_needed

#: Minutes for the consent text and the instructions, which are paid time, too.
READING_MINUTES = 3
#: The chapter of docs/how-to/before-you-ask-people.md that a point is about.
PAGE = "how-to/before-you-ask-people"
OK, WARN, ASK = "ok", "warn", "ask"


@dataclass(frozen=True)
class CheckPoint:
    """One point: `state` is ok or warn where it was computed, ask where a person has to answer."""

    key: str
    state: str
    says: str


def checklist(study: Study) -> list[CheckPoint]:
    """The points of this study, what is wrong first."""
    points = [*_consent(study), *_pay(study), *_checks(study), *_pictures(study), *_data(study), *_people(study)]
    order = [WARN, ASK, OK]
    return sorted(points, key=lambda point: order.index(point.state))


def minutes_by_design(study: Study) -> float:
    """Minutes a participant needs at most, by what an answer usually takes.

    All visits, practice, training, gold and READING_MINUTES are counted.
    """
    protocol, design = protocols.get(study.protocol), study.design
    arms = protocol.arms(design)
    visits = arms.visits if arms else 1
    stimuli = max(study.stimuli.main().count() // (len(arms.conditions) if arms else 1), 1)
    trials = visits * (min(design["trials_per_participant"], stimuli) + design["gold"]) + design["practice"]
    trials += sum(phase.trials for phase in protocol.phases(design) if phase.training)
    return trials * protocol.seconds / 60 + READING_MINUTES


def _consent(study: Study) -> Iterator[CheckPoint]:
    left_out = untold(study)
    yield CheckPoint(
        "told", WARN if left_out else OK, _sentence(left_out) if left_out else "The consent text is complete."
    )
    stock = study.title == study.slug.replace("-", " ").capitalize()
    made = ", which is made of the short name" if stock else ""
    yield CheckPoint("title", WARN if stock else OK, f"Participants read the title “{study.title}”{made}.")
    if not study.design.get("language"):
        what = "Your consent text has" if study.consent_text else "The details of the consent text have"
        says = f"{what} one language, and pages follow the browser in three. Set language, or write for all."
        yield CheckPoint("language", WARN if study.consent_text else ASK, says)
    yield CheckPoint(
        "board", ASK, "The ethics board has seen the text, the design and the debriefing, as they are now."
    )
    yield CheckPoint(
        "roles", ASK, "Controller, processors and legal basis are settled with your data protection officer."
    )


def _pay(study: Study) -> Iterator[CheckPoint]:
    details = study.consent_details
    pay, minutes, currency = details.get("pay"), details.get("minutes"), details.get("currency") or ""
    likely = minutes_by_design(study)
    if minutes:
        short = minutes < likely / 1.5
        says = (
            f"The text says {minutes:g} minutes; by the design it is about {likely:.0f}, reading and practice counted."
        )
        yield CheckPoint("minutes", WARN if short else OK, says)
    if pay is None:
        yield CheckPoint("pay", WARN, "No pay is stated, so pay per hour cannot be computed.")
        return
    if not pay:
        yield CheckPoint("pay", ASK, "Participants are not paid. Recruiters that pay people do not allow that.")
        return
    longest = max(minutes or 0, likely)
    hourly = 60 * pay / longest
    floor = settings.LEAST_PAY_PER_HOUR
    says = f"Pay per hour is about {hourly:.2f} {currency}, at {longest:.0f} minutes a person."
    low = hourly < floor
    says += f" The floor here is {floor} (LEAST_PAY_PER_HOUR)." if low else ""
    yield CheckPoint("pay", WARN if low else OK, says)
    people, fees = _people_needed(study), details.get("fee_percent")
    if fees is None:
        says = f"Fees come on top of {people * pay:,.2f} {currency} for {people:,} people. Fill in fee_percent."
        yield CheckPoint("fees", ASK, says)
        return
    total = people * pay * (1 + fees / 100)
    says = f"With fees of {fees:g}% it costs {total:,.2f} {currency} for {people:,} people, or more if some leave."
    yield CheckPoint("fees", OK, says)


def _people_needed(study: Study) -> int:
    """At least so many participants fill every panel."""
    protocol = protocols.get(study.protocol)
    arms = protocol.arms(study.design)
    apart = len(arms.conditions) if arms and arms.visits == 1 else 1
    return people_needed(protocol, study.design, study.stimuli.main().count(), apart=apart)


def _checks(study: Study) -> Iterator[CheckPoint]:
    design = study.design
    if not design["gold"]:
        yield CheckPoint("gold", ASK, "No gold trials: nothing shows who answers without looking.")
        return
    if design.get("gold_rate") is None:
        says = "Gold screens nobody out. Do not reject submissions by it: recruiters do not accept that."
        yield CheckPoint("gold", OK, says)
        return
    says = "Gold screens people out. That is allowed; rejecting submissions by it is not, under recruiters’ rules."
    yield CheckPoint("gold", ASK, says)
    chosen = getattr(study, "recruitment", None)
    if chosen:
        recruiter = recruiters.get(chosen.recruiter)
        way = recruiter.exit_for(
            chosen.settings[chosen.recruiter], VisitOutcome.SCREENED_OUT, design=design, code="", submission=""
        )
        if way and not way.url:
            says = f"People who are screened out have no completion code at {recruiter.title}, and are not paid."
            yield CheckPoint("screened", WARN, says)


def _pictures(study: Study) -> Iterator[CheckPoint]:
    if protocols.get(study.protocol).alters_pictures(study.design):
        says = "Altered pictures carry wrong names. You looked through the stimuli, above all at pictures of people."
        yield CheckPoint("altered", ASK, says)
    if study.design.get("attribute"):
        says = "You ask for an attribute. Asking strangers for the origin or sex of people is a sensitive question."
        yield CheckPoint("attribute", ASK, says)
    yield CheckPoint(
        "licence", ASK, "The photographs’ licence allows you to show them to strangers, and to print them."
    )
    yield CheckPoint(
        "photographs", ASK, "People in photographs, and what could offend, were looked for among the stimuli."
    )
    yield CheckPoint("addresses", OK, "A picture’s address cannot be guessed; who was shown it can pass it on.")


def _data(study: Study) -> Iterator[CheckPoint]:
    if study.design["questions"]:
        says = "You ask people about themselves. Health, origin, religion and sexual life need a reason of their own."
        yield CheckPoint("questions", ASK, says)
    days = settings.RETENTION_DAYS
    says = "RETENTION_DAYS is 0: nothing is deleted by itself."
    if days:
        says = f"{days} days after closing, what leads to people is deleted."
    yield CheckPoint("retention", OK if days else WARN, says)
    address = urlsplit(settings.SITE_URL)
    if address.scheme == "http" and address.hostname not in ("127.0.0.1", "localhost", "::1"):
        yield CheckPoint("https", WARN, "SITE_URL is not https: answers can be read on their way.")
    says = "Publish the form of export_study --publish, which leaves out what should not be published."
    yield CheckPoint("publishing", ASK, says)


def _people(study: Study) -> Iterator[CheckPoint]:
    chosen = getattr(study, "recruitment", None)
    named = bool(chosen) and recruiters.get(chosen.recruiter).names_people
    if not named:
        once = study.design.get("one_per_browser")
        how = " in another browser." if once else "; one_per_browser makes that harder."
        says = f"By an open link a person can come again{how}"
        yield CheckPoint("again", ASK, says)
    yield CheckPoint("adults", ASK, "You recruit adults: the text asks for them, and nothing checks it.")
    yield CheckPoint(
        "access", ASK, "Where you recruit you say that people have to see the pictures, and whom to ask for help."
    )
    yield CheckPoint("bots", ASK, "You know what shows programs among participants, and what does not.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
