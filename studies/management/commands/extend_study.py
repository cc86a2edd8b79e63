from studies.lifecycle import extend_study
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = (
        "Create a study that asks of another classifier only what a closed study has not asked, and keeps its answers."
    )

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--classifier", required=True, metavar="NAME", help="The classifier to add.")
        parser.add_argument("--as", dest="new", required=True, metavar="NEW", help="Short name of the new study.")
        parser.add_argument("--title", default="", help="Title for researchers (default: that of the closed study).")

    def handle_study(self, study, *, classifier, new, title, **options):
        extension = extend_study(study, classifier=classifier, slug=new, title=title)
        self.say(f"Created {extension.slug}, which extends {study.slug}. Next: manage.py prepare {extension.slug}")
