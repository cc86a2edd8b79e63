"""The researcher's desk, in Django's admin; one file a thing."""

from django.contrib import admin

from . import accounts, catalogue, importing, studies

__all__ = ["accounts", "catalogue", "importing", "studies"]

admin.site.index_title = "Desk"
