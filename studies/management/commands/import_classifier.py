from pathlib import Path

from explainers.command_paths import path_of
from studies.catalog.classifiers import import_classifier
from studies.catalog.network_sources import PROMPT
from studies.catalog.output_lists import read_list
from studies.catalog.output_mapping import ORDERS, in_words
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.protocols.base.results import percent


class Command(QuorumCommand):
    help = "Import a classifier: one of a library's by name, or a module of your own with a safetensors checkpoint."

    def add_arguments(self, parser):
        parser.add_argument("name", help="Short name of the new classifier.")
        parser.add_argument("--images", required=True, metavar="SET", help="The image set it is judged on.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--torchvision", metavar="MODEL", help="A model of torchvision, resnet101 for example.")
        source.add_argument("--timm", metavar="MODEL", help="A model of timm, resnet50.a1_in1k for example.")
        source.add_argument(
            "--transformers", metavar="REPOSITORY", help="An image classifier of Hugging Face, or a folder with one."
        )
        source.add_argument(
            "--open-clip", metavar="MODEL:WEIGHTS", help="A CLIP network; it compares images with the classes' titles."
        )
        source.add_argument("--module", metavar="FILE.py:FACTORY", help="A function that returns the network.")
        parser.add_argument("--weights", metavar="NAME", help="torchvision's weights (default: IMAGENET1K_V1).")
        parser.add_argument(
            "--prompt", metavar="TEXT", help=f"Prompt for each class with --open-clip (default: {PROMPT!r})."
        )
        parser.add_argument("--checkpoint", type=path_of, metavar="FILE.safetensors", help="The weights of --module.")
        parser.add_argument(
            "--outputs",
            metavar="FILE",
            help="A list of the outputs: a line for each, CSV with the columns class and index, or JSON; or one of "
            f"{', '.join(ORDERS)}. Needed where the names leave it uncertain which output is which class.",
        )
        parser.add_argument(
            "--outputs-are",
            choices=["logits", "probabilities"],
            default="logits",
            help="Outputs of the network of --module; of probabilities the logarithms are taken (default: logits).",
        )
        parser.add_argument(
            "--expected-accuracy",
            metavar="PERCENT",
            help="The percentage of images it should be right on, 81.3 for example; known for torchvision's weights.",
        )
        parser.add_argument("--resize", type=int, metavar="N", help="Resize the shorter side to N pixels.")
        parser.add_argument("--crop", type=int, metavar="N", help="Cut the N × N centre.")
        rgb = {"nargs": 3, "type": float, "metavar": ("R", "G", "B")}
        parser.add_argument("--mean", **rgb, help="Subtracted from pixels in [0, 1].")
        parser.add_argument("--std", **rgb, help="Pixels are divided by it afterwards.")

    def handle(self, *args, name, **options):
        for option, source in (("checkpoint", "module"), ("weights", "torchvision"), ("prompt", "open_clip")):
            if options[option] and not options[source]:
                raise StudyError(f"--{option} goes with --{source.replace('_', '-')}")
        if (outputs := options["outputs"]) is not None and not outputs.strip():
            raise StudyError("--outputs is empty; name a file, or leave it away where the names make it certain")
        outputs = outputs or ""
        if outputs and outputs not in ORDERS:
            outputs = read_list(Path(outputs))
        classifier = import_classifier(
            name,
            image_set=options["images"],
            **{key: options[key] for key in ("torchvision", "timm", "transformers", "open_clip", "module")},
            weights=options["weights"] or "IMAGENET1K_V1",
            prompt=options["prompt"] or PROMPT,
            checkpoint=options["checkpoint"],
            outputs_are=options["outputs_are"],
            preprocessing={key: options[key] for key in ("resize", "crop", "mean", "std")},
            outputs=outputs,
            outputs_called=Path(options["outputs"] or "--outputs").name,
            expected_accuracy=_share(options["expected_accuracy"]),
        )
        if options["module"] and not options["mean"]:
            self.stderr.write(
                "Pixels go in as they are, from 0 to 1; if the network wants them normalised, give --mean and --std."
            )
        for line in in_words(classifier):
            self.say(line)
        for check in classifier.checks:
            if not check["ok"]:
                self.say(f"NOT  {check['line']}")
        if classifier.expected_accuracy is not None:
            self.say(f"It should be right on {percent(classifier.expected_accuracy)}.")
        self.say(f"Imported classifier {name}: {classifier.n_outputs} outputs, digest {classifier.digest[:12]}.")
        self.say(f"Next: manage.py check_classifier {name} says how often it is right, and what is doubtful about it.")


def _share(text: str | None) -> float | None:
    """A percentage as people write it, as a share."""
    if text is None:
        return None
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 1 < percent <= 100:
        raise StudyError(f"--expected-accuracy {text}: must be a percentage above 1 and at most 100, 81.3 for example")
    return percent / 100
