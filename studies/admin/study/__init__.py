"""The pages of a study, one file a page."""

from . import model_admin

__all__ = ["model_admin"]
