"""What the process of its own does in which a page has a large export written: it begins with nothing loaded."""

from pathlib import Path


def write_zip(study_id: int, path: str, actor_id: int) -> None:
    """Write the export of a study to `path`, as one zip file, in the name of that user."""
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()

    from django.contrib.auth import get_user_model

    from studies.export.export import zip_to
    from studies.models import Study

    zip_to(Study.objects.get(pk=study_id), Path(path), actor=get_user_model().objects.get(pk=actor_id))
