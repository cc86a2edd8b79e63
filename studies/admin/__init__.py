"""The researcher's desk, in Django's admin; one file a thing."""

from django.contrib import admin

from . import account, accounts, catalogue, importing, log, studies

__all__ = ["account", "accounts", "catalogue", "importing", "log", "studies"]

admin.site.index_title = "Desk"
