from studies.catalog import classifiers, evaluation, judgement
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.models import Classifier
from studies.protocols.base.results import percent


class Command(QuorumCommand):
    help = "Try on photographs whether a classifier is what it says, evaluate it, and say what is doubtful about it."

    def add_arguments(self, parser):
        parser.add_argument("name", help="The classifier.")

    def handle(self, *args, name, **options):
        classifier = Classifier.objects.filter(name=name).select_related("image_set").first()
        if classifier is None:
            raise StudyError(f"there is no classifier called {name}")
        for check in classifiers.check_again(classifier):
            self.say(f"{'ok ' if check['ok'] else 'NOT'}  {check['line']}")
        result = evaluation.evaluate_here(classifier).result
        if result["images"]:
            interval = f"95% interval: {percent(result['low'])} to {percent(result['high'])}"
            share = percent(result["accuracy"])
            self.say(f"It is right on {share} of {result['images']:,} photographs ({interval}).")
        if classifier.expected_accuracy is not None:
            self.say(f"Expected were {percent(classifier.expected_accuracy)}.")
        for trial in result["trials"]:
            shares = [percent(trial[which] / trial["images"]) for which in ("right", "now")]
            self.say(f"Given {trial['title']}: {shares[0]} instead of {shares[1]} of {trial['images']:,} photographs.")
        classifier.refresh_from_db()
        doubts = list(judgement.of_classifier(classifier))
        for line in doubts:
            self.say(f"DOUBTFUL  {line}")
        if not doubts:
            self.say("Nothing is doubtful about it.")
