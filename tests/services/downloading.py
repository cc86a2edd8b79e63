"""A large study's export as its page asks for it, in a process of its own with a database of its own connection.

Prints as JSON the names of the files in the zip, what is left in the data folder, who exported it by the log, and what
is said where it may take no time at all.
"""

import json
import os
import zipfile

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

from studies.export import on_request  # noqa: E402
from studies.lib.errors import StudyError  # noqa: E402
from studies.results import cache  # noqa: E402
from tests.factories import answered_study  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    ada = User.objects.create(username="ada")
    study = answered_study()
    cache.AT_ONCE = 0
    with on_request.open_zip(study, actor=ada) as file, zipfile.ZipFile(file) as archive:
        names = archive.namelist() if archive.testzip() is None else []
    settings.EXPORT_SECONDS = 0.01
    try:
        on_request.open_zip(study, actor=ada).close()
        said = "nothing"
    except StudyError as error:
        said = str(error)
    left = [path.name for path in settings.DATA_DIR.iterdir() if path.name.startswith("export-")]
    by = list(study.events.filter(what="exported").values_list("who", flat=True))
    print(json.dumps({"names": names, "left": left, "by": by, "said": said, "slug": study.slug}))


if __name__ == "__main__":
    main()
