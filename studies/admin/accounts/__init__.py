"""Accounts of researchers: one's own, and the users' pages of an administrator."""

from . import own_account, users

__all__ = ["own_account", "users"]
