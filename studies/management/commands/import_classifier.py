from pathlib import Path

from studies.catalogue import import_classifier
from studies.errors import StudyError
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Import a classifier: one of torchvision's, or a module of your own with a safetensors checkpoint."

    def add_arguments(self, parser):
        parser.add_argument("name", help="What the classifier is called from now on.")
        parser.add_argument("--images", required=True, metavar="SET", help="The image set it is judged on.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--torchvision", metavar="MODEL", help="A model of torchvision, resnet101 for example.")
        source.add_argument("--module", metavar="FILE.py:FACTORY", help="A function that returns the network.")
        parser.add_argument("--weights", metavar="NAME", help="torchvision's weights (default: IMAGENET1K_V1).")
        parser.add_argument("--checkpoint", type=Path, metavar="FILE.safetensors", help="The weights of --module.")
        parser.add_argument("--resize", type=int, metavar="N", help="Resize the shorter side to N pixels.")
        parser.add_argument("--crop", type=int, metavar="N", help="Cut the N × N centre.")
        rgb = {"nargs": 3, "type": float, "metavar": ("R", "G", "B")}
        parser.add_argument("--mean", **rgb, help="Subtracted from pixels in [0, 1].")
        parser.add_argument("--std", **rgb, help="Pixels are divided by it afterwards.")

    def handle(self, *args, name, **options):
        if options["torchvision"] and options["checkpoint"]:
            raise StudyError("--checkpoint goes with --module; torchvision's weights are named by --weights")
        if options["module"] and options["weights"]:
            raise StudyError("--weights goes with --torchvision; a module's weights are given by --checkpoint")
        classifier = import_classifier(
            name,
            image_set=options["images"],
            torchvision=options["torchvision"],
            weights=options["weights"] or "IMAGENET1K_V1",
            module=options["module"],
            checkpoint=options["checkpoint"],
            preprocessing={key: options[key] for key in ("resize", "crop", "mean", "std")},
        )
        if options["module"] and not (options["mean"] or options["std"]):
            self.stderr.write(
                "Pixels go in as they are, from 0 to 1; if the network wants them normalised, give --mean and --std."
            )
        self.say(f"Imported classifier {name}: {classifier.n_outputs} outputs, digest {classifier.digest[:12]}.")
