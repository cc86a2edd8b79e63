import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import reverse

import toybox
from studies import lifecycle
from studies.catalogue import import_classifier, import_images
from studies.management.base import QuorumCommand
from studies.models import Classifier, ImageSet, Study
from studies.workbench import prepare

NAME = "toybox"
RESEARCHER = "researcher"


class Command(QuorumCommand):
    help = "Set up this installation with drawn pictures, a classifier and an open study; again, it only says where."

    def handle(self, *args, **options):
        call_command("migrate", verbosity=0)
        call_command("setup_roles", verbosity=0)
        password = self.make_researcher()
        self.bring_in()
        study = self.make_study()
        site = settings.SITE_URL
        self.say("")
        self.say("  Quorum is ready.")
        self.say("")
        self.say(f"  Take part   {site}{reverse('studies:join', args=[study.link])}")
        self.say(f"  Research    {site}{reverse('admin:index')}")
        self.say(f"              name {RESEARCHER}, password {password}")
        self.say("")

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
            folder = Path(settings.DATA_DIR) / NAME
            toybox.draw(folder)
            import_images(NAME, folder)
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
                owner=get_user_model().objects.get(username=RESEARCHER),
            )
        if study.state in (Study.State.DRAFT, Study.State.PREPARING):
            self.say("Preparing the study …")
            prepare(study)
        if study.state == Study.State.READY:
            lifecycle.open_study(study)
        return study
