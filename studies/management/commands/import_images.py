from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from explainers.command_paths import path_of
from studies.catalog.importing import image_classes
from studies.catalog.importing.entry_names import ENCODINGS
from studies.catalog.importing.image_classes import CLASS_NAMES
from studies.catalog.importing.image_folders import FilesRefused, look_at
from studies.catalog.importing.objects import ObjectsRefused, SettledObjects, look_at_objects
from studies.catalog.importing.photographs import Settled
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand, lines
from studies.protocols import Table

#: Of more classes only the first and the last are listed.
MOST, FIRST, LAST = 60, 40, 10


class Command(QuorumCommand):
    help = (
        "Import photographs from a folder or a zip: one folder per class, or labels.csv. The classes are shown before "
        "anything is written; where it is not certain which folders they are, nothing is, and --level decides."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", help="Short name of the new image set.")
        parser.add_argument(
            "folder",
            type=path_of,
            help="Folder or zip with one folder per class, or with labels.csv (file,label[,index]).",
        )
        parser.add_argument(
            "--level", type=int, metavar="N", help="The classes are the folders of level N, 1 the first."
        )
        parser.add_argument(
            "--part",
            default="",
            metavar="VALUE",
            help="Import only this part where labels.csv has a column such as split; all for every part.",
        )
        names = "; ".join(f"{name}: {what}" for name, what in CLASS_NAMES.items())
        parser.add_argument(
            "--class-names",
            choices=list(CLASS_NAMES),
            default=image_classes.AUTOMATIC,
            help=f"Titles that participants read. {names}.",
        )
        parser.add_argument(
            "--names-encoding",
            default="",
            metavar="NAME",
            help=f"Encoding of the names in a zip that are not UTF-8: {', '.join(ENCODINGS)} or another of Python's.",
        )
        parser.add_argument(
            "--objects",
            type=path_of,
            metavar="FILE",
            help=(
                "Annotated objects: CSV (file,label,x0,y0,x1,y1), a folder of PASCAL VOC files, or COCO JSON, told by "
                "content. Labels are classes of the image set."
            ),
        )
        parser.add_argument(
            "--objects-upright",
            action="store_true",
            help="Boxes are in pixels of the photographs as EXIF turns them, not of the files' own grid.",
        )
        parser.add_argument(
            "--skip-other-objects",
            action="store_true",
            help="Leave out objects whose label is not a class of the image set, instead of refusing them.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Show the classes and write nothing.")

    def handle(self, *args, name, folder, level, part, class_names, names_encoding, dry_run, **options):
        if not options["objects"] and (options["objects_upright"] or options["skip_other_objects"]):
            raise StudyError("--objects-upright and --skip-other-objects go with --objects")
        try:
            settled = look_at(name, folder, level=level, names_encoding=names_encoding, part=part, watch=self.watched)
        except FilesRefused as error:
            if len(error.refused) > 1:
                for line in error.lines():
                    self.stderr.write(line)
            raise
        for one in settled.left_out:
            self.stderr.write(f"left out {one.path}: {one.left_out}")
        for one in settled.accepted:
            if one.note:
                self.stderr.write(f"{one.path}: {one.note}")
        table = self.classes(settled, class_names)
        objects = self.objects(settled, class_names, **options)
        self.say("\n".join(lines(table)))
        if options["objects"]:
            self.say(f"{len(objects.accepted):,} annotated objects.")
        if dry_run:
            self.say("Nothing is written: this was a dry run.")
            return
        image_set = image_classes.write(
            name, settled, class_names=class_names, objects=objects.accepted, left_out=len(settled.left_out)
        )
        self.say(f"Imported {image_set.images.count()} images of {image_set.classes.count()} classes as {name}.")

    def watched(self, files: list[Any]) -> Iterator[Any]:
        """The files, with a bar where somebody looks at a terminal."""
        return iter(tqdm(files, desc="photographs", unit="", file=self.stderr, disable=None, dynamic_ncols=True))

    def objects(self, settled: Settled, class_names: str, **options) -> SettledObjects:
        """The annotated objects, with a line for each that is refused, and for how many are left out and why."""
        if not options["objects"]:
            return SettledObjects()
        try:
            found = look_at_objects(
                options["objects"],
                settled,
                class_names=class_names,
                upright=options["objects_upright"],
                skip_others=options["skip_other_objects"],
            )
        except ObjectsRefused as error:
            if len(error.lines) > 1:
                for line in error.lines:
                    self.stderr.write(line)
            raise
        for why, count in found.left_out.items():
            self.stderr.write(f"left out {count:,} objects: {why}")
        return found

    def classes(self, settled: Settled, class_names: str) -> Table:
        """The classes that would be written, in their order, with how many photographs each has."""
        counts: dict[str, int] = {}
        for one in settled.accepted:
            counts[one.label] = counts.get(one.label, 0) + 1
        found = image_classes.classes_of(settled, class_names)
        rows = [[one.name, one.title, one.output, one.wordnet_id, counts[one.name]] for one in found]
        columns = ["class", "participants read", "output", "WordNet id", "images"]
        # Only what some class has.
        kept = [i for i in range(len(columns)) if i not in (2, 3) or any(row[i] not in (None, "") for row in rows)]
        if len(rows) > MOST:
            rows = [*rows[:FIRST], [f"… {len(rows) - FIRST - LAST:,} more", None, None, None, None], *rows[-LAST:]]
        return Table("Classes", [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])
