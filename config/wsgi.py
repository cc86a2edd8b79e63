import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# Only now: it needs Django to be set up.
from studies.operations.preloading import with_the_first_page_of_the_desk  # noqa: E402

application = with_the_first_page_of_the_desk(application)
