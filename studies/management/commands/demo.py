import secrets
import shutil
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import reverse

import toybox
from studies import lifecycle
from studies.catalog import evaluation
from studies.catalog.classifiers import import_classifier
from studies.catalog.importing.image_folders import import_images
from studies.models import Classifier, ImageSet, Study
from studies.operations import local_server
from studies.preparation import prepare

from . import serve

NAME = "toybox"
RESEARCHER = "researcher"
#: What whoever tries the demonstration is told.
CONSENT = {
    "researchers": "the person who set up this demonstration",
    "institution": "no institution: this is a demonstration of Quorum",
    "contact": "the person who gave you the link",
    "approval": "none; this is a demonstration, and its answers are not used for research",
    "complaints": "the person who gave you the link",
    "minutes": 5,
    "pay": 0,
    "risks": "none are known",
    "storage": "the computer on which the demonstration runs",
    "backup_days": 0,
}


class Command(serve.Command):
    help = (
        "Set up this installation with drawn pictures, a classifier and an open study; if they exist, print their "
        "addresses. Example: manage.py demo --serve"
    )

    def add_arguments(self, parser):
        parser.add_argument("--serve", action="store_true", help="Start the server afterwards, until Ctrl-C.")

    def handle(self, *args, **options):
        if options["serve"]:
            # Before the minute of drawing, not after it.
            local_server.check_port(settings.PORT)
        call_command("migrate", verbosity=0)
        call_command("setup_roles", verbosity=0)
        password = self.make_researcher()
        self.bring_in()
        study = self.make_study()

        def addresses(site: str) -> list[str]:
            return [
                f"  Take part   {site}{reverse('studies:join', args=[study.link])}",
                f"  Research    {site}{reverse('admin:index')}",
                f"              name {RESEARCHER}, password {password}",
            ]

        if options["serve"]:
            self.serve(addresses)
            return
        for line in ("", "  Quorum is set up.", "", *addresses(settings.SITE_URL), ""):
            self.say(line)

    def make_researcher(self) -> str:
        """The researcher's password, made once; it is kept beside the database, for the owner's eyes only."""
        path = Path(settings.DATA_DIR) / "researcher_password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(12))
        password = path.read_text()
        users = get_user_model().objects
        if not users.filter(username=RESEARCHER).exists():
            users.create_superuser(RESEARCHER, password=password)
        return password

    def bring_in(self) -> None:
        if not ImageSet.objects.filter(name=NAME).exists():
            self.say("Drawing the toybox …")
            folder = self.drawn()
            objects = folder / "objects.csv"
            # A folder that an earlier version drew has none.
            import_images(NAME, folder, objects=objects if objects.exists() else None)
        if not Classifier.objects.filter(name=NAME).exists():
            self.say("Importing its classifier …")
            package = Path(toybox.__file__).parent
            import_classifier(
                NAME,
                image_set=NAME,
                module=f"{package / 'network.py'}:toybox_net",
                checkpoint=package / "toybox.safetensors",
                preprocessing={"mean": list(toybox.MEAN), "std": list(toybox.STD)},
            )

    def drawn(self) -> Path:
        """The folder with all of the pictures: drawn under another name, so that one that was interrupted is not it."""
        folder = Path(settings.DATA_DIR) / NAME
        if (folder / "rates.csv").exists():  # the last file that is written
            return folder
        drawing = folder.with_name(f".{NAME}-drawing")
        for unfinished in (folder, drawing):
            shutil.rmtree(unfinished, ignore_errors=True)
        toybox.draw(drawing)
        return drawing.rename(folder)

    def make_study(self) -> Study:
        study = Study.objects.filter(slug=NAME).first()
        if study is None:
            study = lifecycle.create_study(
                slug=NAME,
                title="What is in the picture?",
                protocol="rectified_labeling",
                design={
                    "classifier": NAME,
                    "answers_per_stimulus": 5,
                    "threshold": 4,
                    "trials_per_participant": 20,
                },
                consent_details=CONSENT,
                owner=get_user_model().objects.get(username=RESEARCHER),
            )
        if study.state in (Study.State.DRAFT, Study.State.PREPARING):
            self.say("Preparing the study …")
            prepare(study)
        if study.state == Study.State.READY:
            evaluation.evaluate_here(Classifier.objects.get(name=NAME))
            lifecycle.open_study(study)
        return study
