"""What a study does to its participants, claim by claim, read off its design, its recruiter and the installation.

Each claim names the stored columns that it tells of.  `tests/unit/designs/test_consent_claims.py` holds them to the
models: every column about a person is told where the design has it filled, and none is told that stays empty.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from studies import protocols, recruiters
from studies.models import Study
from studies.protocols.base.session_form import Withdrawal
from studies.recruiters import VisitOutcome

from .consent_details import BACKUP_DAYS

#: Headings of the composed text, in its order.
SECTIONS: Mapping[str, str | Promise] = {
    "about": gettext_lazy("About the study"),
    "doing": gettext_lazy("What you do"),
    "stored": gettext_lazy("What is stored"),
    "kept": gettext_lazy("How long, and where"),
    "published": gettext_lazy("What may be published"),
    "withdrawing": gettext_lazy("Withdrawing"),
    "people": gettext_lazy("Who runs it"),
}


@dataclass(frozen=True)
class ConsentClaim:
    """One or two sentences; `key` is what a text of one's own is ticked by, `columns` are “Model.field”."""

    key: str
    section: str
    text: str
    columns: tuple[str, ...] = ()


def claims(study: Study) -> list[ConsentClaim]:
    """All claims of this study, in the order of the composed text and in the active language."""
    of = _Study(study)
    return [*_about(of), *_doing(of), *_stored(of), *_kept(of), *_published(of), *_withdrawing(of), *_people(of)]


class _Study:
    """What claims are read off."""

    def __init__(self, study: Study):
        self.study, self.design = study, study.design
        self.protocol = protocols.get(study.protocol)
        self.arms = self.protocol.arms(study.design)
        self.visits = self.arms.visits if self.arms else 1
        chosen = getattr(study, "recruitment", None)
        self.recruiter = recruiters.get(chosen.recruiter if chosen else recruiters.DEFAULT)
        self.recruiter_settings = chosen.settings[chosen.recruiter] if chosen else {}
        self.named_by = self.recruiter.title if self.recruiter.names_people else ""

    def detail(self, name: str) -> str:
        """A detail as it is printed; where it is empty, that it is."""
        value = self.study.consent_details.get(name)
        return _("(not stated)") if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)

    def has(self, name: str) -> bool:
        return self.study.consent_details.get(name) not in (None, "")


def _about(of: _Study) -> Iterator[ConsentClaim]:
    purpose = of.detail("purpose") if of.has("purpose") else ""
    invited = _("You are invited to take part in a research study about how people and computer programs see pictures.")
    yield ConsentClaim("about", "about", " ".join([invited, purpose]).strip())
    yield ConsentClaim(
        "voluntary",
        "about",
        _(
            "Taking part is voluntary. You can stop at any time by closing the page, without giving a reason. The "
            "answers that you have given by then are kept."
        ),
    )
    yield ConsentClaim("adults", "about", _("You must be at least 18 years old to take part."))


def _doing(of: _Study) -> Iterator[ConsentClaim]:
    text = _("You look at pictures and answer a short question about each of them. It takes about %(minutes)s minutes.")
    yield ConsentClaim("task", "doing", text % {"minutes": of.detail("minutes")})
    if of.visits > 1:
        days = f"{of.arms.washout.total_seconds() / 86_400:g}"
        text = _("There are %(visits)s visits, at least %(days)s days apart.")
        yield ConsentClaim("visits", "doing", text % {"visits": of.visits, "days": days})
    if of.design["gold"]:
        text = _("Of some pictures we know the answer. They show us whether people look carefully.")
        yield ConsentClaim("gold", "doing", text)
    if of.design["gold"] and of.design.get("gold_rate") is not None:
        yield ConsentClaim("screening", "doing", _screening(of))
    if of.protocol.alters_pictures(of.design):
        text = _(
            "Some pictures may have been changed by a computer program in a way that is hard to see. The names that we "
            "ask about may be wrong, and may not suit what is shown."
        )
        yield ConsentClaim("altered", "doing", text)
    yield ConsentClaim("risks", "doing", _("Risks: %(risks)s") % {"risks": of.detail("risks")})
    if of.study.consent_details.get("pay") == 0:
        yield ConsentClaim("pay", "doing", _("You are not paid for taking part."))
    else:
        pay = " ".join([of.detail("pay"), of.detail("currency")] if of.has("pay") else [of.detail("pay")])
        yield ConsentClaim("pay", "doing", _("You are paid for taking part: %(pay)s") % {"pay": pay})


def _screening(of: _Study) -> str:
    text = _("If you answer too many of these pictures differently, the study ends early for you.")
    way = of.recruiter.exit_for(
        of.recruiter_settings, VisitOutcome.SCREENED_OUT, design=of.design, code="", submission=""
    )
    return f"{text} {way.says}" if way and not way.url else text


_TRIAL = ("position", "claimed_at", "presented_at", "released_at", "answered_at", "answer", "response_ms")
_TRIAL += ("arrangement", "counted", "exclusion", "family", "role", "visit", "stimulus", "parts")
_DISPLAY = ("shown_width", "shown_height", "smallest_width", "pixel_ratio", "zoom", "browser")


def _of(model: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{model}.{name}" for name in names)


def _stored(of: _Study) -> Iterator[ConsentClaim]:
    yield ConsentClaim(
        "answers",
        "stored",
        _(
            "Your answers, and whether each counts. Which pictures you saw in which order, when each was shown and "
            "answered, and how long it took."
        ),
        _of("Trial", *_TRIAL),
    )
    training = any(phase.training for phase in of.protocol.phases(of.design))
    if of.design["gold"] or of.design["practice"] or training:
        yield ConsentClaim(
            "expected",
            "stored",
            _("Of pictures whose answer we know: whether you gave it, and when you read what was expected."),
            _of("Trial", "correct", "feedback_seen_at"),
        )
    yield ConsentClaim(
        "window",
        "stored",
        _("How long and how often you left the page or its window while a picture was shown."),
        _of("Trial", "away_ms", "hidden_count", "blur_count"),
    )
    yield ConsentClaim(
        "translated",
        "stored",
        _("Whether your browser had translated the page."),
        _of("Trial", "translated"),
    )
    if of.design.get("record_display"):
        yield ConsentClaim("display", "stored", str(DISPLAY_RECORDED), _of("Trial", *_DISPLAY))
    if of.design.get("evidence"):
        columns = (*_of("Trial", "evidence"), *_of("Participant", "evidence", "flags"))
        yield ConsentClaim("evidence", "stored", str(EVIDENCE_RECORDED), columns)
    yield ConsentClaim(
        "times",
        "stored",
        _("When you agreed, and to which text; when you began, and when you were done or the study ended for you."),
        _of("Participant", "consent", "consented_at", "started_at", "finished_at", "screened_out_at"),
    )
    if of.visits > 1:
        yield ConsentClaim(
            "next_visit",
            "stored",
            _("When your next visit may begin."),
            (*_of("Participant", "returns_at", "washed_out_at"), *_of("Trial", "washed_out_at")),
        )
    yield ConsentClaim(
        "identifiers",
        "stored",
        _(
            "In place of your name: a random identifier, the number of people who came before you, and a completion "
            "code. Also your group and visit, and a scrambled form of the address of your page."
        ),
        _of("Participant", "public_id", "number", "token_sha256", "completion_code", "arm", "rotation", "visit"),
    )
    if of.design["questions"]:
        text = _("What you say about yourself. You can skip each of these questions.")
        yield ConsentClaim("background", "stored", text, _of("Participant", "background"))
    if of.design["comments"]:
        text = _("The comments that you write in the end, if you like to.")
        yield ConsentClaim("comments", "stored", text, _of("Participant", "comments"))
    yield ConsentClaim(
        "exclusion",
        "stored",
        _("If the researchers decide that your answers do not count: that decision, and their reason."),
        _of("Participant", "excluded_at", "exclusion_reason"),
    )
    if of.named_by:
        yield ConsentClaim(
            "recruiter",
            "stored",
            _(
                "The identifiers by which %(recruiter)s knows you, your submission and the study, and when you came. "
                "They are kept apart from your answers."
            )
            % {"recruiter": of.named_by},
            _of("Arrival", "recruiter", "person", "submission", "posting", "came_at", "delete_at"),
        )
        yield ConsentClaim(
            "submission",
            "stored",
            _("What became of your submission there, when it began and ended, and a bonus."),
            _of("Arrival", "state", "started_at", "completed_at", "bonus", "bonus_payment"),
        )
    if of.design.get("one_per_browser"):
        yield ConsentClaim("cookie", "stored", str(BROWSER_REMEMBERS))
    yield ConsentClaim(
        "own_browser",
        "stored",
        _(
            "Your own browser keeps that you began, and answers that have not reached us yet, until you are done or "
            "withdraw."
        ),
    )
    yield ConsentClaim(
        "address",
        "stored",
        _(
            "Your internet address is not stored. A scrambled form of it is remembered for up to an hour, to limit "
            "requests."
        ),
    )


#: Added to a text of one's own where a design has it recorded; in the language of the pages.
DISPLAY_RECORDED = gettext_lazy(
    "Stored with each answer, too: the size at which its picture was shown on your screen, and the kind and version of "
    "your browser."
)
#: Added where a design has it recorded how answers are given.
EVIDENCE_RECORDED = gettext_lazy(
    "To tell people from programs, this is stored with each answer, too: whether it was given by mouse, pen, touch, "
    "keyboard or otherwise, how the pointer moved, how many keys were pressed but not which, and whether this page was "
    "in sight. Stored once are the size and zoom of the window, how often your screen is redrawn, whether it can be "
    "touched, and the kind and version of your browser."
)
#: Added where a design asks for one enrolment a browser.
BROWSER_REMEMBERS = gettext_lazy(
    "So that nobody takes part twice, your browser keeps a cookie for half a year which says that it took part in this "
    "study, and nothing else."
)


def _kept(of: _Study) -> Iterator[ConsentClaim]:
    yield ConsentClaim("storage", "kept", _("Where it is stored: %(storage)s") % {"storage": of.detail("storage")})
    forgotten = _of("Participant", "forgotten_at")
    if settings.RETENTION_DAYS:
        text = _(
            "%(days)s days after the study closes, whatever could lead to you is deleted. That is identifier, number, "
            "code, dates, what you said about yourself, and comments. Your answers stay, with the time that each took."
        )
        yield ConsentClaim("retention", "kept", text % {"days": settings.RETENTION_DAYS}, forgotten)
    else:
        text = _("All of it is kept until the researchers delete it; no date is set.")
        yield ConsentClaim("retention", "kept", text, forgotten)
    if of.named_by:
        text = _(
            "The identifiers of %(recruiter)s are deleted %(days)s days after you last came. Until then they serve to "
            "pay you."
        )
        if of.visits > 1:
            text = _(
                "The identifiers of %(recruiter)s are deleted %(days)s days after you last came. Until then they serve "
                "to pay you and to invite you to your next visit."
            )
        days = settings.RECRUIT_ID_DAYS
        yield ConsentClaim("recruiter_days", "kept", text % {"recruiter": of.named_by, "days": days})
    backup_days = of.study.consent_details.get("backup_days", BACKUP_DAYS)
    if backup_days:
        text = _("Backups may hold what was deleted for up to %(days)s days longer.")
        yield ConsentClaim("backups", "kept", text % {"days": backup_days})


def _published(of: _Study) -> Iterator[ConsentClaim]:
    yield ConsentClaim(
        "published",
        "published",
        _(
            "Your answers may be published, so that others can check the results. They are published under a random "
            "identifier, with the time that each took. This is pseudonymous: until the deletion above the researchers "
            "could still connect them with you."
        ),
    )
    text = _("Dates, your number, reasons, what you say about yourself and your comments are not published.")
    yield ConsentClaim("unpublished", "published", text)


def _withdrawing(of: _Study) -> Iterator[ConsentClaim]:
    yield ConsentClaim(
        "withdrawing",
        "withdrawing",
        _(
            "You can withdraw later, from your own page or with your completion code, until these are deleted. Only "
            "that a person withdrew, and the day, is then stored. What was published before cannot be taken back."
        ),
        _of("Participant", "withdrawn_at"),
    )
    if of.design["withdrawal"] == Withdrawal.REMOVE:
        text = _("Your answers are then deleted as well.")
    else:
        text = _("Your answers then stay in the study, with nothing that leads to you.")
    yield ConsentClaim("withdrawn_answers", "withdrawing", text)
    text = _(
        "Withdrawing does not cost you your pay. A scrambled form of your completion code stays for that, and leads to "
        "nobody."
    )
    yield ConsentClaim("withdrawn_pay", "withdrawing", text, _of("Tombstone", "digest"))
    if of.named_by:
        text = _("A scrambled form of your identifier at %(recruiter)s stays too, so that no person takes part twice.")
        yield ConsentClaim("tombstone", "withdrawing", text % {"recruiter": of.named_by}, _of("Tombstone", "digest"))


def _people(of: _Study) -> Iterator[ConsentClaim]:
    who = {"researchers": of.detail("researchers"), "institution": of.detail("institution")}
    yield ConsentClaim("researchers", "people", _("Responsible: %(researchers)s, %(institution)s") % who)
    yield ConsentClaim("contact", "people", _("Questions: %(contact)s") % {"contact": of.detail("contact")})
    yield ConsentClaim("approval", "people", _("Ethics approval: %(approval)s") % {"approval": of.detail("approval")})
    text = _("Complaints: %(complaints)s")
    yield ConsentClaim("complaints", "people", text % {"complaints": of.detail("complaints")})
    if of.has("data_protection"):
        text = _("Data protection: %(words)s")
        yield ConsentClaim("data_protection", "people", text % {"words": of.detail("data_protection")})


def automatic(study: Study) -> Iterator[tuple[str, str]]:
    """The claims that are added to a text of one's own by themselves, key and text."""
    if study.design.get("record_display"):
        yield "display", str(DISPLAY_RECORDED)
    if study.design.get("evidence"):
        yield "evidence", str(EVIDENCE_RECORDED)
    if study.design.get("one_per_browser"):
        yield "cookie", str(BROWSER_REMEMBERS)
