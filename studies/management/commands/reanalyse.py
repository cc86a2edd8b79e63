import json
from pathlib import Path
from typing import get_args

from studies.analysis.dawid_skene import positive_share
from studies.analysis.panels import Rule
from studies.analysis.reading import read_answers, read_mturk
from studies.analysis.report import reanalysis
from studies.analysis.tables import NO, YES, AnswersError
from studies.errors import StudyError
from studies.management.base import QuorumCommand

COLUMNS = ("participant", "stimulus", "answer", "condition", "seconds")


class Command(QuorumCommand):
    help = "Analyse answers that were collected elsewhere: a CSV file with participant, stimulus and answer."

    def add_arguments(self, parser):
        parser.add_argument("answers", type=Path, metavar="ANSWERS.csv")
        parser.add_argument("--threshold", type=int, metavar="K", help="Yes answers that accept a panel (4 of 5).")
        parser.add_argument("--population", type=int, metavar="N", help="Images the error is taken over.")
        parser.add_argument("--errors", type=int, metavar="E", help="Errors among them; with --population.")
        parser.add_argument("--json", type=Path, metavar="FILE", help="Write all of it there; - for the terminal.")
        parser.add_argument("--mturk", action="store_true", help="A batch results file of Mechanical Turk.")
        for column in COLUMNS:
            parser.add_argument(f"--{column}-column", metavar="NAME", help=f"The file's own name for {column}.")
        parser.add_argument("--yes", nargs="+", default=list(YES), metavar="WORD", help="Answers that mean yes.")
        parser.add_argument("--no", nargs="+", default=list(NO), metavar="WORD", help="Answers that mean no.")
        parser.add_argument(
            "--panel", type=int, metavar="N", help="Answers to each stimulus (the most frequent number)."
        )
        parser.add_argument(
            "--unequal", choices=get_args(Rule), default="drop", help="What becomes of panels of another size."
        )
        parser.add_argument("--seed", type=int, default=0, help="Of the bootstrap.")

    def handle(self, *args, **options):
        try:
            answers = self.read(options)
            found = reanalysis(
                answers,
                threshold=options["threshold"],
                population=options["population"],
                errors=options["errors"],
                panel=options["panel"],
                rule=options["unequal"],
                seed=options["seed"],
            )
        except AnswersError as error:
            raise StudyError(str(error)) from None
        found["dawid_skene"] = positive_share(answers)
        text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
        if options["json"] == Path("-"):
            self.say(text)
            return
        if options["json"]:
            try:
                options["json"].write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise StudyError(f"{options['json']}: {error.strerror}") from None
        self.tell(found)

    def read(self, options):
        named = {column: options[f"{column}_column"] for column in COLUMNS if options[f"{column}_column"]}
        if not options["mturk"]:
            return read_answers(options["answers"], columns=named, yes=options["yes"], no=options["no"])
        if "answer" not in named:
            raise StudyError("--mturk needs --answer-column, the question's column (Answer.relevant, for example)")
        return read_mturk(options["answers"], yes=options["yes"], no=options["no"], **named)

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
        self.say(f"Accepted at {accepted['threshold']} of {found['panel']}: {_described(accepted)}")
        if rectified["estimate"] is not None:
            self.say(f"Rectified error: {_described(rectified)}")
        agreement = found["agreement"]
        for name in ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
            value, reason = agreement[name], agreement["reasons"].get(name)
            self.say(f"{name.replace('_', ' ')}: " + (f"undefined: {reason}" if value is None else f"{value:.3f}"))
        self.say(f"Dawid–Skene, which knows no threshold: {found['dawid_skene']['estimate']:.2%}")


def _described(share):
    if share["estimate"] is None:
        return f"undefined: {share['reason']}"
    if share["low"] is None:
        return f"{share['estimate']:.2%} (no interval: {share['reason']})"
    return f"{share['estimate']:.2%} ({share['level']:.0%} interval {share['low']:.2%} to {share['high']:.2%})"
