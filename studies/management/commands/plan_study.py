import json
from typing import get_args

from explainers.command_paths import path_of
from studies import protocols
from studies.analysis.answer_files import read_answers
from studies.analysis.answers import AnswersError
from studies.analysis.power import Assumptions, Measure, from_pilot, plan
from studies.analysis.simulation_model import Scenario
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.models import Study
from studies.planning.estimates import SHARES, shared_questions
from studies.planning.power import of_design
from studies.protocols.base.results import percent


class Command(QuorumCommand):
    help = "Simulate how wide intervals and how strong tests would be, for a grid of stimuli, participants and answers."

    def add_arguments(self, parser):
        several = {"nargs": "+", "type": int, "metavar": "N"}
        parser.add_argument("--study", metavar="SLUG", help="Take what its design says: stimuli, answers, threshold.")
        parser.add_argument("--stimuli", **several, help="In each condition; needed unless a prepared study is named.")
        parser.add_argument("--participants", **several, required=True)
        parser.add_argument("--answers", **several, help="Answers to each stimulus (default: 5).")
        parser.add_argument(
            "--measure", choices=get_args(Measure), help="Panels accepted (the default), or the share of right answers."
        )
        parser.add_argument("--threshold", type=int, help="Yes answers that accept a panel (default: 4 of 5).")
        parser.add_argument("--conditions", type=int, choices=(1, 2), help="Two are compared (default: 1).")
        parser.add_argument("--pilot", type=path_of, metavar="ANSWERS.csv", help="Take the assumptions from a pilot.")
        parser.add_argument("--mean", type=float, help="Log-odds of yes for the average stimulus (default: 0).")
        parser.add_argument("--stimulus-sd", type=float, help="SD between stimuli, in log-odds (default: 2).")
        parser.add_argument("--participant-sd", type=float, help="SD between participants, in log-odds (default: 1).")
        parser.add_argument(
            "--activity-sd", type=float, help="SD of log answers a participant (default: 0, all alike)."
        )
        parser.add_argument("--effect", type=float, help="Added log-odds in the second condition (default: 0).")
        parser.add_argument(
            "--margin", type=float, metavar="POINTS", help="Margin of equivalence, in percentage points."
        )
        parser.add_argument("--pay", type=float, default=0, help="For one answer, in any currency.")
        parser.add_argument("--fee", type=float, default=0, metavar="PERCENT", help="A recruiter's, on top of the pay.")
        parser.add_argument("--seconds", type=float, default=0, help="For one answer.")
        parser.add_argument(
            "--replicates", type=int, default=200, help="Simulated studies for each row (default: 200)."
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", type=path_of, metavar="FILE", help="Write the table there too.")

    def handle(self, *args, **options):
        options |= self.settings(options)
        try:
            rows = plan(
                self.assumptions(options),
                stimuli=options["stimuli"],
                participants=options["participants"],
                panels=options["answers"],
                conditions=options["conditions"],
                replicates=options["replicates"],
                seed=options["seed"],
            )
        except AnswersError as error:
            raise StudyError(str(error)) from None
        if options["json"]:
            try:
                options["json"].write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
            except OSError as error:
                raise StudyError(f"{options['json']}: {error.strerror}") from None
        self.tell(rows)
        if options["study"]:
            self.tell_shared(Study.objects.get(slug=options["study"]))

    def tell_shared(self, study):
        """How many questions several classifiers share, where the study is of several."""
        if shared := shared_questions(study):
            self.say(
                f"{shared.asked:,} questions are asked once, {shared.separate:,} in studies of one classifier each: "
                f"{shared.saved:,} saved ({percent(shared.saved_share)}), and {shared.saved:,} panels of answers."
            )

    def settings(self, options):
        """What was not given, from the study's design where one is named."""
        known = {"answers": 5, "conditions": 1, "measure": "accepted"} | dict.fromkeys(
            ("stimuli", "threshold", "separate_groups", "margin")
        )
        if options["study"]:
            study = Study.objects.filter(slug=options["study"]).first()
            if study is None:
                raise StudyError(f"there is no study called {options['study']}")
            if protocols.get(study.protocol).rate_range != SHARES:
                raise StudyError(f"study {study.slug} has ratings, and plan_study simulates shares of answers alone")
            known |= of_design(study)
        for name in ("stimuli", "answers"):
            known[name] = known[name] and [known[name]]
        chosen = {name: value if options.get(name) is None else options[name] for name, value in known.items()}
        if not chosen["stimuli"]:
            raise StudyError("--stimuli is needed, or a study that is prepared")
        return chosen

    def assumptions(self, options):
        named = ("mean", "stimulus_sd", "participant_sd", "activity_sd", "effect")
        given = {name: options[name] for name in named if options[name] is not None}
        if options["pilot"]:
            if unused := sorted(set(given) - {"effect"}):
                raise StudyError(f"--{unused[0].replace('_', '-')} comes from the pilot: give one or the other")
            scenario = from_pilot(read_answers(options["pilot"]))
            self.say(
                f"From the pilot: mean {scenario.mean:.2f}, SD between stimuli {scenario.stimulus_sd:.2f}, between "
                f"participants {scenario.participant_sd:.2f}, of log activity {scenario.activity_sd:.2f}."
            )
            given |= {name: getattr(scenario, name) for name in named if name != "effect"}
        # The grid sets the sizes; these are only there because a scenario has some.
        sizes = {"stimuli": 1, "participants": max(options["answers"]), "panel": max(options["answers"])}
        threshold = dict.fromkeys(options["answers"], options["threshold"]) if options["threshold"] else None
        scenario = Scenario(**sizes, **given, separate_groups=bool(options["separate_groups"]))
        margin = None if options["margin"] is None else options["margin"] / 100
        if not 0 <= options["fee"] <= 500:
            raise StudyError("--fee is a percentage from 0 to 500, such as 33.3")
        costs = {"pay": options["pay"] * (1 + options["fee"] / 100), "seconds": options["seconds"], "margin": margin}
        return Assumptions(scenario, threshold, options["measure"], **costs)

    def tell(self, rows):
        shown = [name for name in ("equivalent", "noninferior") if any(f"power_{name}" in row for row in rows)]
        head = ["stimuli", "people", "panel", "answers", "width", "width p90", "power", *shown, "cost", "hours", "cap"]
        self.say("".join(name.rjust(len(name) + 1 if name in shown else 11) for name in head))
        for row in rows:
            size = [row["stimuli"], row["participants"], row["panel"], row["answers"]]
            if row["reason"]:
                self.say("".join(str(value).rjust(11) for value in size) + f"   {row['reason']}")
                continue
            found = [_share(row["width"]), _share(row["width_p90"]), _share(row["power"])]
            found += [_share(row[f"power_{name}"]) for name in shown]
            cells = [*size, *found, f"{row['cost']:.2f}", f"{row['hours']:.1f}", row["cap"] or "–"]
            self.say(
                "".join(
                    str(cell).rjust(len(name) + 1 if name in shown else 11)
                    for name, cell in zip(head, cells, strict=True)
                )
            )
        self.say(
            "width: median width of the 95% interval; cap: the most answers one person should give, so that enough "
            "effective participants remain."
        )


def _share(value):
    return "–" if value is None else f"{value:.1%}"
