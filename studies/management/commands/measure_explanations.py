import json
from pathlib import Path

from explainers.command_paths import path_of
from studies.catalog.explanations import report
from studies.catalog.explanations.job import measure_here
from studies.catalog.explanations.request import GROUPS, OF_OBJECTS, MeasurementRequest, recipe_of
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand, lines
from studies.models import Classifier
from studies.results.figures import on_paper, svg


class Command(QuorumCommand):
    help = (
        "Measure a classifier's explanations on images of its set: pointing game, localisation, deletion, insertion, "
        "sensitivity to the seed, the sanity check, completeness and time. Interrupted, it goes on where it stopped."
    )

    def add_arguments(self, parser):
        parser.add_argument("classifier", help="The classifier.")
        parser.add_argument(
            "--explainers",
            required=True,
            metavar="NAME[,NAME…]",
            help="Explainers, each with its defaults or as NAME:PARAMETER=VALUE, such as lime:n_samples=200.",
        )
        parser.add_argument("--sample", type=int, required=True, metavar="N", help="Number of images, drawn at random.")
        parser.add_argument("--json", type=path_of, metavar="OUT", help="File for all of the result; - prints it.")
        parser.add_argument("--figures", type=path_of, metavar="FOLDER", help="Folder for the figures as SVG files.")
        parser.add_argument(
            "--measures",
            metavar="NAME[,NAME…]",
            help=f"Measures to compute, of {', '.join(GROUPS)}; all of them by default. "
            f"{' and '.join(OF_OBJECTS).capitalize()} need annotated objects.",
        )
        parser.add_argument("--seed", type=int, default=0, help="Seed of the sample and of every explanation.")
        parser.add_argument(
            "--tolerance",
            type=float,
            metavar="PIXELS",
            help="Distance by which the pointing game may miss a box; by default 3%% of the picture's longer side.",
        )
        parser.add_argument("--steps", type=int, default=32, help="Steps of deletion and insertion.")
        parser.add_argument("--stages", type=int, default=8, help="Comparisons of the sanity check.")
        parser.add_argument("--seeds", type=int, default=3, help="Seeds for the sensitivity to the seed.")

    def handle(self, *args, classifier, **options):
        row = Classifier.objects.filter(name=classifier).select_related("image_set").first()
        if row is None:
            raise StudyError(f"there is no classifier called {classifier}")
        request = MeasurementRequest(
            explainers=_names(options["explainers"]),
            sample=options["sample"],
            measures=tuple(GROUPS) if options["measures"] is None else _names(options["measures"]),
            seed=options["seed"],
            tolerance=options["tolerance"],
            n_steps=options["steps"],
            n_stages=options["stages"],
            n_seeds=options["seeds"],
        )
        for written in request.explainers:
            recipe_of(written)
        self.check_outputs(options["json"], options["figures"])
        result = measure_here(row, request)
        printed = str(options["json"]) == "-"
        if options["json"] and not printed:
            options["json"].write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if options["figures"]:
            options["figures"].mkdir(exist_ok=True)
            for figure in report.figures(result):
                (options["figures"] / f"{figure.name}.svg").write_text(on_paper(svg(figure)), encoding="utf-8")
        if printed:
            self.say(json.dumps(result, ensure_ascii=False))
            return
        self.say(f"{result['images']:,} images of {result['image_set']}.")
        for table in (report.summary_table(result), report.difference_table(result)):
            if table.rows:
                self.say("\n".join(lines(report.turned(table))))
        for problem in report.problems(result):
            self.stderr.write(problem)

    def check_outputs(self, file: Path | None, folder: Path | None) -> None:
        """StudyError for what cannot be written, before hours of computing."""
        if file and str(file) != "-" and (file.is_dir() or not file.parent.is_dir()):
            raise StudyError(f"{file}: {'is a folder' if file.is_dir() else 'its folder does not exist'}")
        if folder and (folder.is_file() or not folder.parent.is_dir()):
            raise StudyError(f"{folder}: {'is a file' if folder.is_file() else 'the folder around it does not exist'}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
