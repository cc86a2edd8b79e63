"""A preregistration written from the design: the questions of OSF and of AsPredicted, answered by what is frozen.

Nothing is in it that the design does not fix.  Its hash is the one that opening the study freezes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from studies import lifecycle, protocols
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Study
from studies.planning import estimates
from studies.protocols import SampleSize

#: Spending functions in words.
SPENDING = {"obrien_fleming": "O'Brien and Fleming's", "pocock": "Pocock's"}
NOT_SAID = "The design does not say."


@dataclass(frozen=True)
class Registration:
    """What is registered.  answers: question and answer by form, each answer of one or more paragraphs."""

    study: Study
    frozen: Mapping[str, Any]
    sha256: str
    answers: Mapping[str, list[tuple[str, list[str]]]]

    def as_json(self) -> dict[str, Any]:
        return {
            "study": self.study.slug,
            "title": self.study.title,
            "design_sha256": self.sha256,
            "forms": {
                form: [{"question": question, "answer": answer} for question, answer in answers]
                for form, answers in self.answers.items()
            },
            "frozen": self.frozen,
        }


def registration(study: Study, *, simulate: bool = True) -> Registration:
    """The registration of a prepared or opened study; StudyError before it is prepared, when nothing is fixed yet.

    simulate: whether the width of the interval is simulated for the rationale of the sample size.
    """
    if study.state in (Study.State.DRAFT, Study.State.PREPARING):
        raise StudyError(f"study {study.slug} is {study.state}: prepare it first, which fixes what is registered")
    frozen = study.frozen or lifecycle.frozen_content(study)
    facts = _Facts(study, frozen, simulate)
    return Registration(
        study, frozen, digest(frozen), {"OSF Preregistration": facts.osf(), "AsPredicted": facts.as_predicted()}
    )


class _Facts:
    """The answers, each made once for both forms."""

    def __init__(self, study: Study, frozen: Mapping[str, Any], simulate: bool):
        self.study, self.frozen, self.plan = study, frozen, frozen["analysis"]
        self.design = frozen["design"]
        self.protocol = protocols.get(frozen["protocol"])
        self.conditions = list(study.conditions.order_by("pk").values_list("key", flat=True))
        self.sample_size_rationale = list(self._rationale(simulate))

    def osf(self) -> list[tuple[str, list[str]]]:
        return [
            ("Title", [self.study.title]),
            ("Description", [self.protocol.description]),
            ("Hypotheses", self.hypotheses()),
            (
                "Study type",
                [
                    "Experiment: conditions are assigned by the study's software."
                    if len(self.conditions) > 1
                    else "Observational study: each stimulus is judged by several people."
                ],
            ),
            (
                "Blinding",
                [
                    "Participants are not told the condition, the true class or what others answered. "
                    "Outcomes are not shown to researchers before the study is closed; each look at them "
                    "is recorded."
                ],
            ),
            ("Study design", self.study_design()),
            ("Randomization", self.randomization()),
            ("Existing data", self.existing_data()),
            ("Data collection procedures", self.procedures()),
            ("Sample size", self.sample_size()),
            ("Sample size rationale", self.sample_size_rationale),
            ("Stopping rule", self.stopping_rule()),
            ("Manipulated variables", self.manipulated()),
            ("Measured variables", self.measured()),
            ("Indices", [f"The estimand is {self.plan['estimand']}."]),
            ("Statistical models", self.models()),
            ("Inference criteria", self.inference()),
            ("Data exclusion", self.exclusions()),
            ("Missing data", self.missing()),
            ("Exploratory analysis", ["Whatever is outside of this registration is reported as exploratory."]),
            ("Other", self.other()),
        ]

    def as_predicted(self) -> list[tuple[str, list[str]]]:
        return [
            ("1) Have any data been collected for this study already?", self.existing_data()),
            ("2) What's the main question being asked or hypothesis being tested?", self.hypotheses()),
            ("3) Describe the key dependent variable(s) specifying how they will be measured.", self.measured()),
            (
                "4) How many and which conditions will participants be assigned to?",
                [*self.manipulated(), *self.randomization()],
            ),
            (
                "5) Specify exactly which analyses you will conduct to examine the main question/hypothesis.",
                [*self.models(), *self.inference()],
            ),
            (
                "6) Describe exactly how outliers will be defined and handled, and your precise rule(s) "
                "for excluding observations.",
                self.exclusions(),
            ),
            (
                "7) How many observations will be collected or what will determine sample size?",
                [*self.sample_size(), *self.sample_size_rationale, *self.stopping_rule()],
            ),
            ("8) Anything else you would like to pre-register?", self.other()),
        ]

    def hypotheses(self) -> list[str]:
        tested = [
            f"{contrast['name']}: the weighted sum of {_weights(contrast['weights'])} differs from "
            f"{contrast['null']:g} ({_scale(contrast['scale'])})."
            for contrast in self.plan["contrasts"]
        ]
        margin = self.plan.get("margin")
        if margin is not None:
            tested.append(
                f"Differences within {100 * margin:g} points count as none; equivalence is tested against that."
            )
        return tested or [f"No hypothesis is tested: the study estimates {self.plan['estimand']}."]

    def study_design(self) -> list[str]:
        arms, phases = self.protocol.arms(self.design), self.protocol.phases(self.design)
        lines = [
            f"{self.protocol.title} (protocol {self.frozen['protocol']}, version "
            f"{self.frozen['protocol_version']}) with {self.frozen['stimuli']:,} stimuli."
        ]
        if arms is None:
            lines.append(
                "Each participant may meet every condition within one visit."
                if len(self.conditions) > 1
                else "There is one condition."
            )
        elif arms.visits == 1:
            lines.append("Conditions are met by separate groups of participants.")
        else:
            days = arms.washout.total_seconds() / 86400
            lines.append(
                f"Each participant meets one condition a visit, in {arms.visits} visits at least {days:g} days apart."
            )
        if phases:
            lines.append(
                "Phases of a visit: "
                + ", ".join(
                    f"{phase.name} ({phase.trials} trials{', training' if phase.training else ''})" for phase in phases
                )
                + "."
            )
        classifiers = self.frozen["preparation"].get("classifiers", {})
        lines += [f"Classifier {name}, SHA-256 {sha256}." for name, sha256 in classifiers.items()]
        return lines

    def randomization(self) -> list[str]:
        seed = self.plan["seeds"]["order"]
        return [
            "The order of stimuli, and of answers or sides where they vary, is drawn for each participant "
            f"by a generator with the seed {seed}. Stimuli with the fewest answers are given out first."
        ]

    def existing_data(self) -> list[str]:
        answers = self.study.trials.filter(answered_at__isnull=False).count()
        if self.study.opened_at is None:
            return ["No, no data have been collected: the study has not been opened."]
        if not answers:
            return ["No answers have been given: the study has been opened, which froze this design."]
        looks = self.study.looks.count()
        return [
            f"Yes: {answers:,} answers had been given when this was written, and outcomes had been looked "
            f"at {looks} times. The design was frozen when the study opened on "
            f"{self.study.opened_at:%Y-%m-%d %H:%M} UTC, before the first answer."
        ]

    def procedures(self) -> list[str]:
        design, lines = (
            self.design,
            ["Participants read a consent text, the instructions, and then answer one stimulus a page in a browser."],
        )
        if design["practice"]:
            lines.append(
                f"They begin with {design['practice']} practice trials, after which they see the expected answer."
            )
        if design["gold"]:
            lines.append(f"Each visit has {design['gold']} gold trials, whose answer is known; they are never counted.")
        if design["questions"]:
            lines.append(
                "They are asked about themselves: "
                + "; ".join(line.split("|")[0].strip() for line in design["questions"].splitlines() if line.strip())
                + "."
            )
        lines.append(f"The consent text has the SHA-256 {self.frozen['consent_sha256']}.")
        return lines

    def sample_size(self) -> list[str]:
        target = self.plan["target"]
        people = estimates.people_needed(
            self.protocol, self.design, target["stimuli"], apart=1, wanted=target["answers"]
        )
        return [
            f"{target['stimuli']:,} stimuli with answers of {target['answers_per_stimulus']} different "
            f"people each: {target['answers']:,} answers. At most {self.design['trials_per_participant']:,} "
            f"stimuli for a participant, so at least {people:,} participants."
        ]

    def _rationale(self, simulate: bool) -> Iterator[str]:
        if not simulate:
            yield NOT_SAID
            return
        expected = SampleSize(self.frozen["stimuli"], "as prepared", conditions=max(1, len(self.conditions)))
        counts = estimates.known(protocols.classifiers_of(self.design)[0], seen=_classifiers())
        if counts and (told := self.protocol.sample_size(self.design, counts)):
            expected = replace(told, stimuli=self.frozen["stimuli"])
        found = estimates.of_design(
            self.protocol,
            self.design,
            expected,
            pay=0.0,
            seconds=self.protocol.seconds,
            owner=f"registration-{self.study.pk}",
        )
        if found.width is None:
            yield f"The width of the interval was not simulated: {found.no_width}."
        else:
            told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in estimates.ASSUMED.items())
            yield (
                f"Simulated studies of this size have a 95% interval of the {found.width_of} that is "
                f"{100 * found.width:.1f} points wide (assumed, in log-odds: {told})."
            )

    def stopping_rule(self) -> list[str]:
        looks = self.plan.get("looks")
        lines = ["Each stimulus is given out until it has its answers; then the study is closed."]
        if looks:
            shares = ", ".join(f"{100 * share:g}%" for share in looks["shares"])
            lines.append(
                f"Interim looks at {shares} of the answers, by {SPENDING[looks['spending']]} spending "
                "function; the study may stop where a test crosses its boundary."
            )
        else:
            lines.append("There is no interim look.")
        return lines

    def manipulated(self) -> list[str]:
        n = len(self.conditions)
        return [f"{n} condition{'s' * (n != 1)}: {', '.join(self.conditions)}."]

    def measured(self) -> list[str]:
        stimulus = self.study.stimuli.main().order_by("number").first()
        lines = []
        if stimulus is not None:
            choices = self.protocol.choices(self.design, stimulus.shown)
            parts = [
                *self.protocol.before(self.design, stimulus.shown),
                *self.protocol.parts(self.design, stimulus.shown),
            ]
            lines.append(
                "The decision of a participant on a stimulus, one of: "
                + ", ".join(choice.value for choice in choices)
                + "."
            )
            lines += [f"{part.name}: {part.meaning}" for part in parts]
        lines.append("Response times, by the page's clock and by the server's.")
        if self.design["record_display"]:
            lines.append("The size at which pictures are shown, zoom, and kind and version of the browser.")
        return lines

    def models(self) -> list[str]:
        computed = [one["kind"].replace("_", " ") for one in self.plan["computations"]]
        lines = [
            f"The estimand is {self.plan['estimand']}. Its 95% interval is a two-way one, over participants "
            "and stimuli."
        ]
        if self.plan.get("threshold"):
            lines.append(
                f"A stimulus is accepted where at least {self.plan['threshold']} of its "
                f"{self.plan['target']['answers_per_stimulus']} answers are yes; panels of another size: "
                f"{self.plan['unequal_panels']}."
            )
        if computed:
            lines.append(f"Computed as: {', '.join(computed)}; `frozen.analysis.computations` has every parameter.")
        return lines

    def inference(self) -> list[str]:
        if not self.plan["contrasts"]:
            return [f"Intervals are of level {1 - self.plan['alpha']:g}; nothing is tested."]
        return [
            f"Two-sided tests at alpha {self.plan['alpha']:g}, corrected by {self.plan['correction']} over "
            f"{len(self.plan['contrasts'])} contrasts."
        ]

    def exclusions(self) -> list[str]:
        design, lines = self.design, [f"{one[0].upper()}{one[1:]}." for one in self.plan["exclusions"]]
        if design["gold_rate"] is not None:
            then = (
                "their answers do not count and are asked of others"
                if design["reopen_screened"]
                else "their answers count"
            )
            lines.append(
                f"Participants who can no longer answer {100 * design['gold_rate']:g}% of a visit's gold "
                f"trials correctly are screened out; {then}."
            )
        return lines

    def missing(self) -> list[str]:
        lines = ["A stimulus that is shown and not answered is given to another participant."]
        kept = "removed" if self.design["withdrawal"] == "remove" else "kept without anything that leads to the person"
        return [*lines, f"Answers of participants who withdraw are {kept}."]

    def other(self) -> list[str]:
        return [
            f"Design frozen with the SHA-256 {digest(self.frozen)}.",
            f"The stimuli have the SHA-256 {self.frozen['stimuli_sha256']}.",
            f"Every random choice has the seed {self.design['seed']}.",
        ]


def _classifiers() -> Any:
    from studies.models import Classifier

    return Classifier.objects.all()


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{weight:+g} × {name}" for name, weight in weights.items())


def _scale(scale: str) -> str:
    return {"mean": "as means", "log_odds": "as log odds"}.get(scale, f"as {scale.replace('_', ' ')}")
