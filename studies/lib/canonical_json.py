"""Canonical JSON and its digest: the name of everything that can be computed again.

Both are those of the methods: a recipe has one digest here and on a machine without a database.
"""

from typing import Any

from explainers.canonical_json import canonical, digest

__all__ = ["canonical", "canonical_text", "digest"]


def canonical_text(value: Any) -> str:
    """Canonical JSON as text, for cells of tables."""
    return canonical(value).decode()
