"""Short names of what designs, commands and addresses name."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from .errors import StudyError

#: Characters that a column of a short name has.
LONGEST_SHORT_NAME = 100
_QUOTED = 40


def check_short_name(name: str) -> None:
    """StudyError for a name of other characters, or of too many: SQLite would keep it, and PostgreSQL fail."""
    try:
        validate_slug(name)
    except ValidationError:
        raise StudyError(
            f"{name[:_QUOTED]!r} is not a valid short name: use only letters, digits, hyphens and underscores"
        ) from None
    check_length(name, LONGEST_SHORT_NAME, "a short name")


def check_length(text: str, longest: int, what: str) -> None:
    """StudyError for a text of more than `longest` characters; `what` it is, as in "a short name"."""
    if len(text) > longest:
        raise StudyError(f"{text[:_QUOTED]!r}… has {len(text):,} characters, and {what} at most {longest}")
