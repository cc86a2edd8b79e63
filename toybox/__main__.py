"""The command line: `python -m toybox draw | train | sheet`."""

import argparse
import sys
from pathlib import Path

from .imageset import EVALUATION_SEED, IMAGES_PER_CLASS, draw


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toybox", description="The drawn image set and its classifier.")
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw the image set into an empty folder")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--images-per-class", type=int, default=IMAGES_PER_CLASS)
    drawing.add_argument("--seed", type=int, default=EVALUATION_SEED)
    training = commands.add_parser("train", help="train the classifier on scenes of its own and measure it")
    training.add_argument("--out", type=Path, default=Path("toybox.safetensors"))
    sheet = commands.add_parser("sheet", help="draw a contact sheet")
    sheet.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "draw":
            count = draw(chosen.folder, images_per_class=chosen.images_per_class, seed=chosen.seed)
            print(f"{count} pictures in {chosen.folder}")
        elif chosen.command == "train":
            from .training import train

            train(chosen.out)
        else:
            from .sheet import sheet as draw_sheet

            draw_sheet(chosen.file)
    except (ValueError, OSError) as error:
        print(f"toybox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
