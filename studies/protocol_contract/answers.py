"""Properties of a page and its answers, and of a whole session."""

import json
import re
from collections import Counter
from typing import Any

import httpx
import lxml.html
import numpy as np
from django.conf import settings
from django.urls import reverse

from studies import participation
from studies.models import Participant, Study, Trial
from studies.protocols.base.results import percent

from .made_up_bench import CLASSES
from .subject import NotKept, Subject, browser, require

LANGUAGES = ("en", "fr", "de")
#: The share of answers that may still be wanted after a rehearsal.
LEFT_OVER = 0.05


def first_trial(study: Study) -> tuple[Participant, str, Trial]:
    """Another participant, the token of their address, and the first trial they are given."""
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    trial = participation.current_trial(person)
    require(trial is not None, "the first participant is given no trial")
    return person, token, trial


def _page(token: str, language: str = "en") -> httpx.Response:
    with browser(language) as client:
        page = client.get(reverse("studies:take", args=[token]))
    require(page.status_code == 200, f"the page of a trial answers with status {page.status_code}")
    return page


def secrecy(subject: Subject) -> None:
    study = subject.opened()
    seen: list[tuple[set[str], str]] = []
    for _person in range(3):
        _, token, trial = first_trial(study)
        page, stimulus = _page(token), trial.stimulus
        said = json.dumps(stimulus.shown)
        choices = subject.protocol.choices(study.design, stimulus.shown)
        offered_words = {str(word) for choice in choices for word in (choice.value, choice.label)}
        classes = {name for label in CLASSES for name in (label, label.replace("_", " ")) if name not in said}
        truths = {text for text in _strings(stimulus.truth) if text not in said} - offered_words
        hidden = {stimulus.condition.key, stimulus.family, *classes, *truths} - {""}
        everything = page.text + str(page.headers) + str(page.url)
        seen.append((hidden, everything))
        leaks = sorted(text for text in (stimulus.truth["image"], stimulus.family) if text and text in said)
        require(not leaks, f"`shown` has {', '.join(leaks)}")
        # The control: the same search finds what the page does show.
        picture = subject.protocol.pictures(stimulus.shown)[0]
        require(_stands_in(picture, everything), "the page does not show the first picture that pictures() names")
    # A word that stands on every page, whatever is true, tells nothing.
    shared = {text for hidden, _ in seen for text in hidden if not all(text in other for other, _ in seen)}
    everywhere = {text for text in shared if all(_stands_in(text, page) for _, page in seen)}
    for hidden, everything in seen:
        told = sorted(text for text in hidden - everywhere if _stands_in(text, everything))
        require(not told, f"the page shows {', '.join(told)}")


def _stands_in(text: str, page: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", page) is not None


def _strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(_strings(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_strings(part) for part in value))
    return {value} if isinstance(value, str) else set()


def offered(subject: Subject) -> None:
    study = subject.opened()
    # Another stimulus may offer other answers: of each trial another one of its own is given.
    for number in range(len(_values(subject, study, first_trial(study)[2]))):
        person, _, trial = first_trial(study)
        values = _values(subject, study, trial)
        require(len(values) > 1, f"choices offers {values}: an answer needs two at least")
        value = values[number % len(values)]
        parts = subject.protocol.parts(study.design, trial.stimulus.shown)
        beside = {part.name: part.simulated(np.random.default_rng(number)) for part in parts}
        participation.answer(person, trial.pk, value, parts=beside)
        trial.refresh_from_db()
        require(trial.answer == value, f"the answer {value!r} is stored as {trial.answer!r}")
    person, _, trial = first_trial(study)
    for value in ("", "neither of them", f"{values[0]} "):
        try:
            participation.answer(person, trial.pk, value)
        except participation.AnswerRefused:
            continue
        raise NotKept(f"the answer {value!r} is taken, which is not offered")


def _values(subject: Subject, study: Study, trial: Trial) -> list[str]:
    return sorted({choice.value for choice in subject.protocol.choices(study.design, trial.stimulus.shown)})


def languages(subject: Subject) -> None:
    study = subject.opened()
    _, token, trial = first_trial(study)
    keys = [choice.key for choice in subject.protocol.choices(study.design, trial.stimulus.shown)]
    twice = sorted(key for key, times in Counter(keys).items() if times > 1 and key)
    require(not twice, f"two answers have the key {', '.join(twice)}")
    for language in LANGUAGES:
        page = lxml.html.fromstring(_page(token, language).content)
        require(page.get("lang") == language, f"asked for {language}, the page is in {page.get('lang')}")
        form = next(iter(page.forms), None)
        require(form is not None, "the page of a trial has no form")
        question = " ".join(page.xpath("string(//main//h1)").split())
        require(question, "the page asks nothing: fill the block `question`")
        pictures = page.xpath("//main//img")
        require(pictures, "the page shows no picture")
        require(all(one.get("alt") is not None for one in pictures), "a picture has no alternative text")
        for address in page.xpath("//script/@src | //link[@rel='stylesheet']/@href"):
            ours = address.startswith(("/", settings.SITE_URL))
            require(ours, f"the page loads {address} from elsewhere: participants' pages load from this site alone")


def simulated(subject: Subject) -> None:
    study, random = subject.prepared(), np.random.default_rng(0)
    for stimulus in study.stimuli.main():
        for rate in (None, 0.0, 0.5, 1.0):
            answer, seconds = subject.protocol.simulated_answer(study.design, stimulus.truth, rate, random)
            values = [choice.value for choice in subject.protocol.choices(study.design, stimulus.shown)]
            require(answer in values, f"a simulated participant answers {answer!r}, which is not offered")
            require(seconds > 0, f"a simulated participant answers after {seconds} seconds")


def session(subject: Subject) -> None:
    outcome, study = subject.rehearsed.outcome, subject.rehearsed.study
    # Places that are kept for people who come back may be left over in the end, when nobody else comes.
    enough = outcome.wanted <= LEFT_OVER * (outcome.answers + outcome.wanted)
    require(enough, f"{outcome.wanted} answers are still wanted after {outcome.participants} participants")
    require(outcome.answers, "nobody answered anything")
    roles = set(Trial.objects.filter(study=study, answered_at__isnull=False).values_list("role", flat=True))
    require({"main", "gold", "practice"} <= roles, f"only {', '.join(sorted(roles))} trials were answered")
    screened = study.participants.filter(screened_out_at__isnull=False).count()
    require(not screened, f"{screened} simulated participants who look were screened out by gold trials")


def rehearsal(subject: Subject) -> None:
    rehearsed = subject.rehearsed
    require(rehearsed.measures, "rehearsal_measures gives nothing, so that a rehearsal cannot compare anything")
    for measure in rehearsed.measures:
        said = f"{measure.name}: {measure.estimate} ({measure.low} to {measure.high})"
        require(measure.estimate is not None, f"{said}: every panel is full, and there is no estimate")
        if measure.low is not None and measure.high is not None:
            inside = measure.low <= measure.estimate <= measure.high
            require(inside, f"{measure.name}: {percent(measure.estimate)} lies outside of its own interval")
    line = rehearsed.verdict
    require(line and "\n" not in line, f"the verdict of a rehearsal is not one line: {line!r}")
