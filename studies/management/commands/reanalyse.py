import json
from pathlib import Path
from typing import get_args

from explainers.command_paths import path_of
from studies.analysis.answer_files import MTURK, taken_back
from studies.analysis.answer_protocols import PROTOCOLS, reanalyse_protocol
from studies.analysis.answer_table import Reading, RowRule
from studies.analysis.answers import NO, YES, AnswersError
from studies.analysis.choices import Repeats
from studies.analysis.estimands import ESTIMANDS
from studies.analysis.file_reports import reanalyse_counts, reanalyse_panels
from studies.analysis.panels import Rule
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand

#: The roles that a file's columns can have.
ROLES = (
    "participant", "stimulus", "answer", "condition", "seconds", "item", "first", "second", "truth", "left", "right",
    "rating", "phase", "model_output", "correct", "confidence", "count",
)  # fmt: skip
#: How many different answers are told on the terminal, the most frequent ones.
MOST_ANSWERS = 20
#: By option the setting of a protocol that it is.
SETTINGS = {
    "chance": "chance",
    "contrast": "contrasts",
    "second": "second",
    "reference": "reference",
    "explained": "explained",
    "pre": "pre",
    "post": "post",
    "sessions": "sessions",
    "choices": "choices",
    "repeats": "repeats",
    "correct_pattern": "correct_pattern",
}


class Command(QuorumCommand):
    help = "Analyse answers that were collected elsewhere: a CSV file with participant, stimulus and answer."

    def add_arguments(self, parser):
        parser.add_argument("answers", type=path_of, nargs="+", metavar="ANSWERS.csv")
        parser.add_argument("--protocol", metavar="KEY", help=f"Kind of study: {', '.join(PROTOCOLS)}.")
        parser.add_argument("--threshold", type=int, metavar="K", help="Yes answers that accept a panel (4 of 5).")
        parser.add_argument("--population", type=int, metavar="N", help="Images the error is taken over.")
        parser.add_argument("--errors", type=int, metavar="E", help="Errors among them; with --population.")
        parser.add_argument("--json", type=path_of, metavar="FILE", help="Write all of it there; - for the terminal.")
        parser.add_argument("--mturk", action="store_true", help="A batch results file of Mechanical Turk.")
        for column in ROLES:
            name = f"--{column.replace('_', '-')}-column"
            parser.add_argument(name, metavar="NAME", help=f"The file's own name for {column}, or NAME+NAME.")
        parser.add_argument("--yes", nargs="+", default=list(YES), metavar="WORD", help="Answers that mean yes.")
        parser.add_argument("--no", nargs="+", default=list(NO), metavar="WORD", help="Answers that mean no.")
        parser.add_argument(
            "--panel", type=int, metavar="N", help="Answers to each stimulus (the most frequent number)."
        )
        parser.add_argument(
            "--unequal", choices=get_args(Rule), default="drop", help="Treatment of panels of another size."
        )
        parser.add_argument(
            "--estimand",
            choices=ESTIMANDS,
            default=ESTIMANDS[0],
            help="Estimand of the rectified error: new images from the same source, or this image set.",
        )
        parser.add_argument(
            "--counts", action="store_true", help="Rows are counts without participants: stimulus, answer, count."
        )
        parser.add_argument("--count-columns", nargs="+", metavar="NAME", help="Counts in columns, one an answer.")
        parser.add_argument("--given", metavar="ANSWER", help="Counts: the answer that keeps the label as it is.")
        parser.add_argument("--seed", type=int, default=0, help="Seed of the bootstrap.")
        self.add_reading(parser)
        self.add_settings(parser)

    def add_reading(self, parser):
        parser.add_argument(
            "--pattern", action="append", default=[], metavar="ROLE=REGEX", help="The part of a value to take."
        )
        for name, what in (("exclude", "Leave these rows out, and count them"), ("keep", "Read these rows only")):
            parser.add_argument(
                f"--{name}-where",
                action="append",
                default=[],
                metavar="RULE",
                help=f"{what}: COLUMN=VALUE and the like.",
            )
        parser.add_argument(
            "--without", action="append", default=[], metavar="ROLE", help="Leave out a column, such as condition."
        )
        parser.add_argument("--milliseconds", action="store_true", help="The column of seconds holds milliseconds.")
        parser.add_argument("--delimiter", default=",", metavar="CHARACTER", help="Separator of the cells.")

    def add_settings(self, parser):
        parser.add_argument("--correct-pattern", metavar="REGEX", help="accuracy: right where it is found in correct.")
        parser.add_argument(
            "--digits", type=int, default=2, metavar="N", help="Decimal digits of percentages (default: 2)."
        )
        parser.add_argument("--chance", type=float, metavar="SHARE", help="Probability that a guess is right.")
        parser.add_argument(
            "--contrast", action="append", metavar="B:A", help="Compare two conditions, B less A; can be repeated."
        )
        parser.add_argument("--second", metavar="MODEL", help="preference: the model that positive means stand for.")
        parser.add_argument("--reference", metavar="CONDITION", help="simulatability: without explanations (none).")
        parser.add_argument("--explained", metavar="CONDITION", help="simulatability: the condition to compare.")
        parser.add_argument("--pre", metavar="PHASE", help="simulatability: the phase before (pre).")
        parser.add_argument("--post", metavar="PHASE", help="simulatability: the phase after (post).")
        parser.add_argument("--sessions", nargs="+", metavar="PHASE", help="simulatability: sessions, in their order.")
        parser.add_argument("--choices", nargs="+", metavar="ANSWER", help="Answers allowed although never right.")
        parser.add_argument(
            "--repeats", choices=get_args(Repeats), help="accuracy: a second answer is refused, kept, or left out."
        )

    def handle(self, *args, **options):
        self.form = f"{{:.{options['digits']}%}}"
        analyse, tell = self.by_panels, self.tell
        if options["protocol"]:
            analyse, tell = self.by_protocol, self.tell_protocol
        elif options["counts"] or options["count_columns"]:
            analyse, tell = self.by_counts, self.tell_counts
        try:
            found = analyse(options)
        except AnswersError as error:
            raise StudyError(str(error)) from None
        text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
        if options["json"] == Path("-"):
            self.say(text)
            return
        if options["json"]:
            try:
                options["json"].write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise StudyError(f"{options['json']}: {error.strerror}") from None
        tell(found)
        for step in found.get("flow", ())[1:]:
            self.say(f"left out by {step['rule']}: {step['excluded']['answers']} answers")

    def reading(self, options):
        columns = {role: options[f"{role}_column"] for role in ROLES if options[f"{role}_column"]}
        keep = [RowRule.parse(text) for text in options["keep_where"]]
        if options["mturk"]:
            if "answer" not in columns:
                raise StudyError("--mturk needs --answer-column, the question's column (Answer.relevant, for example)")
            columns, keep = MTURK | columns, [taken_back(), *keep]
        return Reading(
            columns=columns,
            patterns=dict(_pair(text, "=", "a pattern such as item=^([^_]*)_") for text in options["pattern"]),
            exclude=[RowRule.parse(text) for text in options["exclude_where"]],
            keep=keep,
            delimiter=options["delimiter"],
            without=options["without"],
            milliseconds=options["milliseconds"],
        )

    def by_protocol(self, options):
        settings = {name: options[option] for option, name in SETTINGS.items() if options[option] is not None}
        if "contrasts" in settings:
            settings["contrasts"] = self.contrasts(options)
        if options["protocol"] == "accuracy":
            settings |= {"yes": options["yes"], "no": options["no"]}
        return reanalyse_protocol(
            options["protocol"], options["answers"], reading=self.reading(options), settings=settings
        )

    def by_panels(self, options):
        return reanalyse_panels(
            options["answers"],
            self.reading(options),
            yes=options["yes"],
            no=options["no"],
            threshold=options["threshold"],
            population=options["population"],
            errors=options["errors"],
            panel=options["panel"],
            rule=options["unequal"],
            estimand=options["estimand"],
            contrasts=self.contrasts(options),
            seed=options["seed"],
        )

    def by_counts(self, options):
        settings = {name: options[name] for name in ("threshold", "given")}
        settings["columns"] = options["count_columns"] or ()
        return reanalyse_counts(options["answers"], self.reading(options), seed=options["seed"], **settings)

    def contrasts(self, options):
        return [_pair(text, ":", "a contrast such as B:A") for text in options["contrast"] or ()]

    def tell(self, found):
        accepted, rectified = found["accepted_share"], found["rectified_error"]
        panels = accepted["panels"]
        self.say(
            f"{found['answers']} answers of {found['participants']} participants to {found['stimuli']} stimuli, "
            f"{found['panel']} each."
        )
        if panels["short"] or panels["long"]:
            self.say(
                f"{panels['short']} panels have fewer answers and {panels['long']} more: {panels['rule_meaning']}."
            )
        self.say(f"Panels by yes answers, from 0: {', '.join(map(str, found['histogram']))}")
        self.say(f"Accepted at {accepted['threshold']} of {found['panel']}: {self.told(accepted)}")
        if rectified["estimate"] is not None:
            self.say(f"Rectified error: {self.told(rectified)}")
        agreement = found["agreement"]
        for name in ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
            value, reason = agreement[name], agreement["reasons"].get(name)
            self.say(f"{name.replace('_', ' ')}: " + (f"undefined: {reason}" if value is None else f"{value:.3f}"))
        model = found["dawid_skene"]
        told = model["reason"] if model["estimate"] is None else self.form.format(model["estimate"])
        self.say(f"Dawid–Skene, which knows no threshold: {told}")
        for name, against in found.get("against_truth", {}).items():
            if against["error"] is not None:
                self.say(
                    f"{name.replace('_', '–').title()} against the truth: {against['errors']} of "
                    f"{against['stimuli']} wrong, {self.form.format(against['error'])}"
                )
        self.tell_conditions(found)

    def tell_conditions(self, found):
        for name, condition in found.get("conditions", {}).items():
            for part in ("accepted_share", "yes_share", "accuracy"):
                if part in condition:
                    self.say(f"{name}, {part.replace('_', ' ')}: {self.told(condition[part])}")
        self.tell_contrasts(found)

    def tell_protocol(self, found):
        self.say(
            f"{found['answers']} answers of {found['participants']} participants to {found['stimuli']} stimuli "
            f"about {found['items']} items."
        )
        for name, condition in found.get("conditions", {}).items():
            self.say(f"{name}: {self.told(condition, self.form if 'numerator' in condition else '{:.3f}')}")
            if people := condition.get("by_participant"):
                spread = (
                    ""
                    if people["sd"] is None
                    else (
                        f" (SD {100 * people['sd']:.2f} points, two standard errors "
                        f"{100 * people['two_standard_errors']:.2f})"
                    )
                )
                mean = self.form.format(people["mean"])
                self.say(f"  mean of {people['participants']} participants: {mean}{spread}")
        for name in ("effect", "post_difference", "slope_difference"):
            if name in found:
                self.say(f"{name.replace('_', ' ')}: {self.told(found[name], '{:+.4f}')}")
        if "utility" in found:
            self.say(f"mean utility: {self.told(found['utility']['mean'], '{:.3f}')}")
        if "response_times" in found:
            times = found["response_times"]["all"]
            if times["mean"] is not None:
                self.say(f"seconds: mean {times['mean']:.2f}, median {times['median']:.2f}")
        self.tell_contrasts(found)

    def tell_contrasts(self, found):
        for contrast in found.get("contrasts", ()):
            scale = "log odds ratio" if contrast["scale"] == "logit" else "difference"
            p = "" if contrast["p_holm"] is None else f", p by Holm {contrast['p_holm']:.4f}"
            self.say(f"{contrast['name']}: {scale} {self.told(contrast, '{:.4f}')}{p}")

    def told(self, share, form=None):
        form = form or self.form
        if share["estimate"] is None:
            return f"undefined: {share['reason']}"
        names = ("estimate", "low", "high")
        estimate, low, high = (None if share[name] is None else form.format(share[name]) for name in names)
        if low is None:
            return f"{estimate} (no interval: {share['reason']})"
        return f"{estimate} ({share['level']:.0%} interval {low} to {high})"

    def tell_counts(self, found):
        self.say(f"{found['answers']} answers to {found['stimuli']} stimuli; {found['reason']}.")
        most = sorted(found["shares"].items(), key=lambda pair: -pair[1]["numerator"])[:MOST_ANSWERS]
        for name, share in most:
            said = self.form.format(share["estimate"])
            self.say(f"{name}: {said} of the answers, decides {found['decided']['by'][name]} stimuli")
        self.say(f"decided by none: {found['decided']['by_none']}, by several: {found['decided']['by_several']}")
        if errors := found.get("errors"):
            self.say(
                f"not as given: {errors['stimuli']} of {found['stimuli']} stimuli, decided by none "
                f"{errors['by_none']}, by several {errors['by_several']}"
            )
        if "right" in found:
            most = found["most_frequent"]
            self.say(f"right: {self.form.format(found['right']['estimate'])} of the answers")
            told = self.form.format(most["estimate"])
            self.say(f"most frequent answer right: {told} of the stimuli, {most['ties']} ties apart")
            self.say(f"mean entropy: {found['mean_entropy']:.4f} nats; unanimous: {found['unanimous']} stimuli")


def _pair(text, sign, what):
    first, found, second = text.partition(sign)
    if not (first and found and second):
        raise StudyError(f"{text!r} is not {what}")
    return first, second
