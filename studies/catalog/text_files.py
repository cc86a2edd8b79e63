"""Tables and lists that people bring, before they are read as such."""

from explainers import file_kinds
from studies.lib.errors import StudyError

_TEXTS = (None, file_kinds.TEXT, file_kinds.JSON, file_kinds.XML, file_kinds.SVG)
_REMEDIES = {
    file_kinds.OFFICE: "save it as CSV there",
    file_kinds.ZIP: "unpack it first",
}


def check_text(data: bytes, called: str, wanted: str) -> None:
    """StudyError for a file that is not a text, or stands for one that is elsewhere; it says what it is.

    wanted: what should be there, with its article.
    """
    if file_kinds.recognise(data) not in _TEXTS:
        raise StudyError(f"{called}: {file_kinds.instead(data, wanted, _REMEDIES)}")
