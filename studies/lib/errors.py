class StudyError(ValueError):
    """What was asked for cannot be done.  The message is one clear line: commands and pages show it as it is."""


def one_line(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
