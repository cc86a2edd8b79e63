import json
import re
from pathlib import Path

from explainers.command_paths import path_of
from studies.lib.errors import StudyError
from studies.lifecycle import create_study
from studies.management.base import QuorumCommand, account
from studies.repeating import create, differences
from studies.repeating import folder as exports


class Command(QuorumCommand):
    help = "Create a study from a design file, or again from its export."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="The study's short name.")
        parser.add_argument("--protocol", help="The kind of study.")
        parser.add_argument("--design", type=path_of, metavar="FILE.json", help="Its settings; see study_template.")
        parser.add_argument(
            "--from",
            dest="export",
            type=path_of,
            metavar="FOLDER",
            help="An export, as a folder or its zip: the same design, texts and analysis.",
        )
        parser.add_argument("--anyway", action="store_true", help="With --from: create it in spite of differences.")
        parser.add_argument(
            "--owner", metavar="USERNAME", help="Owner's user name (default: only superusers see the study)."
        )
        parser.add_argument("--title", default="", help="Title for researchers (default: the short name).")
        parser.add_argument(
            "--consent", type=path_of, metavar="FILE.json", help="Details of the consent text; see consent_text."
        )

    def handle(self, *args, slug, protocol, design, title, owner, consent, export, anyway, **options):
        user = account(owner) if owner else None
        if export and (protocol or design or consent):
            raise StudyError("--from has the protocol and the design: leave --protocol, --design and --consent out")
        if export:
            self.repeat(export, anyway, slug=slug, title=title, owner=user)
            return
        if not (protocol and design):
            raise StudyError("give --protocol and --design, or --from an export")
        details = read_json(consent) if consent else None
        given = {"protocol": protocol, "design": read_json(design), "title": title, "consent_details": details}
        study = create_study(slug=slug, owner=user, **given)
        self.say(f"Created {study.slug}. Next: manage.py prepare {study.slug}")

    def repeat(self, export, anyway, **options):
        with exports.opened(export) as folder:
            exported = exports.read(folder)
            compared = differences.compare(exported)
            for line in compared.lines:
                self.stderr.write(f"Differs: {line}.")
            if compared.lines and not anyway:
                raise StudyError(
                    f"{len(compared.lines)} differences, and nothing was made; --anyway creates it all the same"
                )
            study = create.repeat_study(exported, compared, anyway=anyway, **options)
        self.say(f"Created {study.slug} from the export of {exported.content['study']}.")
        self.say(f"Next: manage.py prepare {study.slug}, which says whether its stimuli are the same.")


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
