import json
import re
from pathlib import Path

from studies.errors import StudyError
from studies.lifecycle import create_study
from studies.management.base import QuorumCommand, account


class Command(QuorumCommand):
    help = "Create a study from a design file."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="The study's short name.")
        parser.add_argument("--protocol", required=True, help="The kind of study.")
        parser.add_argument(
            "--design", required=True, type=Path, metavar="FILE.json", help="Its settings; see study_template."
        )
        parser.add_argument("--owner", metavar="USERNAME", help="Whose study it is (default: superusers see it only).")
        parser.add_argument("--title", default="", help="As researchers read it (default: the short name).")

    def handle(self, *args, slug, protocol, design, title, owner, **options):
        user = account(owner) if owner else None
        study = create_study(slug=slug, protocol=protocol, design=read_json(design), title=title, owner=user)
        self.say(f"Created {study.slug}. Next: manage.py prepare {study.slug}")


#: A comment takes a whole line, which is left empty so that the lines of mistakes keep their numbers.  JSON has no
#: strings over several lines, so no setting can be taken for a comment.
COMMENT = re.compile(r"^[ \t]*//.*$", re.MULTILINE)


def read_json(path: Path):
    """The JSON in a file; lines that begin with // are comments.  StudyError with the line of a mistake."""
    try:
        return json.loads(COMMENT.sub("", path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise StudyError(f"{path}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError):
        # Numbers of thousands of digits and thousands of brackets, which no design has.
        raise StudyError(f"{path}: a number too long, or brackets too deep") from None
