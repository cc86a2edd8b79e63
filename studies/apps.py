from django.apps import AppConfig
from django.contrib.admin import apps


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "Quorum"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers them


class DeskConfig(apps.AdminConfig):
    """Django's admin with the desk's own site."""

    default = False
    default_site = "studies.desk.Desk"
