"""Quorum's commands in the order of a study, and an example of each."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

COMMANDS = Path(__file__).parent / "commands"

#: What each command is called with, in groups, in the order in which a study needs them.
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "Try it": {
        "demo": "--serve",
        "serve": "",
    },
    "Photographs and classifiers": {
        "import_images": "toys photographs/ --dry-run",
        "import_classifier": "resnet --images toys --torchvision resnet50 --weights IMAGENET1K_V2",
        "check_classifier": "resnet",
        "measure_explanations": "resnet --explainers lime,gradcam --sample 50 --json measures.json",
    },
    "Design": {
        "study_template": "rectified_labeling",
        "design_schema": "rectified_labeling",
        "plan_study": "--stimuli 200 400 --participants 40 --answers 5",
        "create_study": "toys --protocol rectified_labeling --design toys.json --owner researcher",
        "check_protocol": "rectified_labeling",
    },
    "Prepare": {
        "count_selectable": "toys --sample 20",
        "prepare": "toys",
        "list_work": "toys --files work/",
        "take_results": "results/",
        "rehearse": "toys --participants 40",
    },
    "Collect": {
        "consent_text": "toys --language de",
        "checklist": "toys --board board.md",
        "preregister": "toys registration/",
        "open_study": "toys",
        "simulate": "toys --participants 20",
        "pause_study": "toys",
        "close_study": "toys",
    },
    "Recruit and pay": {
        "subscribe_recruiter": "prolific",
        "post_study": 'toys --places 40 --reward 1.50 --minutes 8 --description "Pictures and words"',
        "ask_recruiter": "toys",
        "payments": "toys --file payments.csv",
        "pay_bonuses": "toys bonuses.csv",
    },
    "Results": {
        "analyse": "toys --json result.json",
        "amend_study": 'toys --reason "The panels were larger than planned." --set threshold=3',
        "export_study": "toys export/",
        "reanalyse": "answers.csv --threshold 4",
        "study_log": "toys",
        "extend_study": "toys --classifier resnet --as toys-2",
        "compare_studies": "toys toys-2",
        "pool_studies": "toys toys-2 --json",
        "deposit_study": 'toys toys.zip --licence CC-BY-4.0 --author "Family, Given" --publish',
    },
    "Operate": {
        "backup": "backup.tar",
        "restore": "backup.tar",
        "verify_files": "--repair",
        "collect_artifacts": "--delete",
        "adopt_files": "",
        "make_bucket": "",
        "forget": "--list",
        "setup_roles": "",
        "remove_second_factor": "researcher",
    },
}


def example(command: str) -> str:
    """A line that calls the command; empty for one that is not Quorum's."""
    found = next((group[command] for group in EXAMPLES.values() if command in group), None)
    return "" if found is None else f"manage.py {command} {found}".rstrip()


def summary(command: str) -> str:
    """The first sentence of its help, read without importing it: some commands load a network's library."""
    tree = ast.parse((COMMANDS / f"{command}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["help"]:
            text = " ".join(str(ast.literal_eval(node.value)).split())
            return text.split("; ")[0].split(". ")[0].rstrip(".") + "."
    return ""


def overview() -> Iterator[str]:
    """What `manage.py help` prints."""
    yield "Quorum's commands, in the order of a study. manage.py COMMAND --help says more, with an example."
    width = max(len(command) for group in EXAMPLES.values() for command in group)
    for title, group in EXAMPLES.items():
        yield ""
        yield title
        for command in group:
            yield f"  {command:<{width}}  {summary(command)}"
    yield ""
    yield "Django's commands, such as migrate and createsuperuser: manage.py help --commands"
