"""The program without the middleware that answers strangers before their body is read; a negative control."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "NoBodyForStrangers" not in name]

from config.wsgi import application  # noqa: E402

__all__ = ["application"]
