"""Image sets and classifiers: their pages, imports, class descriptions and evaluations."""

from . import imports, model_admins

__all__ = ["imports", "model_admins"]
