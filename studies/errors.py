class StudyError(ValueError):
    """What was asked for cannot be done.  The message is one clear line: commands and pages show it as it is."""
