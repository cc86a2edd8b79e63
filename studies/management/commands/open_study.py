import sys

from django.conf import settings
from django.urls import reverse

from studies.catalog import evaluation, judgement
from studies.designs.consent import others_can_come, untold
from studies.lib.errors import StudyError
from studies.lifecycle import open_study
from studies.management.base import StudyCommand
from studies.models import Classifier, ClassifierEvaluation, Study
from studies.protocols import classifiers_of


class Command(StudyCommand):
    help = "Freeze a study's design and let participants in, or let them in again after a pause."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--anyway",
            action="store_true",
            help="Open it without being asked about what is doubtful about its classifier.",
        )
        parser.add_argument(
            "--without-consent-details",
            action="store_true",
            help="Open it to other people although its consent text leaves out what they have to be told.",
        )

    def handle_study(self, study, *, anyway, without_consent_details, **options):
        if study.state == Study.State.READY and (left_out := untold(study)):
            if others_can_come(study) and not without_consent_details:
                raise StudyError(
                    f"study {study.slug} is not opened to other people: {left_out}. See consent_text {study.slug}; "
                    "--without-consent-details opens it all the same"
                )
            self.stderr.write(f"WARNING  {left_out}. Fill it in before people take part: consent_text {study.slug}")
        if study.state == Study.State.READY:
            self.evaluate(study)
            doubts = judgement.doubts(study)
            for line in doubts:
                self.stderr.write(f"DOUBTFUL  {line}")
            anyway = anyway or (bool(doubts) and self.confirmed(study))
        open_study(study, anyway=anyway, untold_anyway=without_consent_details)
        link = reverse("studies:join", args=[study.link])
        self.say(f"{study.slug} is open: {settings.SITE_URL}{link}")

    def evaluate(self, study):
        """Where nobody did, so that what is doubtful is known before it is too late."""
        named = {*classifiers_of(study.design), *study.preparation.get("classifiers", {})}
        done = ClassifierEvaluation.State.DONE
        for classifier in Classifier.objects.filter(name__in=named).exclude(evaluation__state=done).order_by("name"):
            self.say(f"Evaluating {classifier.name} …")
            evaluation.evaluate_here(classifier)

    def confirmed(self, study):
        if not sys.stdin.isatty():
            raise StudyError(f"study {study.slug} stays closed; --anyway opens it in spite of what is doubtful")
        return input("Open it anyway? [y/N] ").strip().lower() in ("y", "yes")
