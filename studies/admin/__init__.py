"""The researcher's desk, in Django's admin; one file a thing."""

from django.contrib import admin

from . import accounts, catalog, log, site_pages, study

__all__ = ["accounts", "catalog", "log", "site_pages", "study"]

admin.site.index_title = "Desk"
admin.site.pages = site_pages
