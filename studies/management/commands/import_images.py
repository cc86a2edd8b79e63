from pathlib import Path

from studies.catalogue import import_images
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Import photographs: one folder a class (the sorted names are the class indices), or labels.csv."

    def add_arguments(self, parser):
        parser.add_argument("name", help="What the image set is called from now on.")
        parser.add_argument("folder", type=Path, help="One folder a class, or a folder with labels.csv (file,label).")

    def handle(self, *args, name, folder, **options):
        image_set, left_out = import_images(name, folder)
        for path in left_out:
            self.stderr.write(f"left out {path}: the same photograph is in its class already")
        self.say(f"Imported {image_set.images.count()} images of {image_set.classes.count()} classes as {name}.")
