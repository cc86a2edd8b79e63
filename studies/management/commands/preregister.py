from explainers.command_paths import path_of
from studies.management.base import StudyCommand
from studies.registration import files
from studies.registration.answers import registration


class Command(StudyCommand):
    help = "Write the preregistration of a prepared study, for OSF and AsPredicted, from its frozen design."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("folder", type=path_of, nargs="?", help="Folder for the files (default: print Markdown).")

    def handle_study(self, study, *, folder, **options):
        registered = registration(study)
        if folder is None:
            self.say(files.markdown(registered))
            return
        for path in files.write(registered, folder):
            self.say(str(path))
        self.say(f"The design has the SHA-256 {registered.sha256}.")
