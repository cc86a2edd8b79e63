import json
from pathlib import Path

from django.conf import settings
from django.utils import translation

from explainers.command_paths import path_of
from studies.designs.consent import composed_text, full_consent_text, languages_of, untold
from studies.designs.consent_details import ConsentDetailsForm
from studies.lib.errors import StudyError
from studies.lifecycle import change_texts
from studies.management.base import StudyCommand

from .create_study import read_json


class Command(StudyCommand):
    help = "Print the text that participants agree to, or fill in the details that it needs."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--set", type=path_of, metavar="FILE.json", help="New details of the consent text.")
        parser.add_argument("--details", action="store_true", help="Print the details as JSON, to fill in for --set.")
        parser.add_argument("--own", type=path_of, metavar="FILE.txt", help="Consent text of your own from now on.")
        parser.add_argument("--composed", action="store_true", help="Compose the text from the design from now on.")
        codes = [code for code, _name in settings.LANGUAGES]
        parser.add_argument("--language", choices=codes, help="Language to print it in (default: the first).")

    def handle_study(self, study, *, details, own, composed, language, **options):
        given = options["set"]
        if own and composed:
            raise StudyError("--own and --composed exclude each other")
        if given or own or composed:
            text = _read(own) if own else "" if composed else study.consent_text
            new = read_json(given) if given else None
            change_texts(study, title=study.title, consent_text=text, details=new)
        if details:
            known = dict.fromkeys(ConsentDetailsForm.base_fields) | study.consent_details
            self.say(json.dumps(known, indent=2, ensure_ascii=False))
            return
        with translation.override(language or languages_of(study)[0]):
            self.say(full_consent_text(study) if study.consent_text else composed_text(study))
        if left_out := untold(study):
            self.stderr.write(f"WARNING  {left_out}")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: not UTF-8 text") from None
    if not text:
        raise StudyError(f"{path}: is empty")
    return text
