from django.apps import AppConfig
from django.contrib.admin import apps


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "Quorum"

    def ready(self) -> None:
        from django.apps import apps

        from explainers import base
        from explainers.computations import inputs
        from studies.lib import plugins
        from studies.operations import checks  # noqa: F401  registers them
        from studies.preparation.catalogue_source import CatalogueSource

        inputs.connect(CatalogueSource())
        # Django calls it by what it does, and cuts that short in the path of a page.
        apps.get_app_config("auth").verbose_name = "Accounts"

        base.look_into(plugins.packages("methods"))


class ResearcherSiteConfig(apps.AdminConfig):
    """Django's admin with a site of our own."""

    default = False
    default_site = "studies.accounts.admin_site.ResearcherSite"
