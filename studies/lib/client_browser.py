"""Browsers of participants: which are old enough to be named, and what is recorded of them."""

#: The oldest version of each family in which everything works; docs/reference/browsers.md says what rests on it.
OLDEST = {"Safari": 14, "Chrome": 86, "Firefox": 79}
LONGEST = 60
#: More of a header than any browser sends is not read.
LONGEST_HEADER = 500


def browser_of(user_agent: str) -> str:
    """Family and first number of the version, and the system: "Firefox 153, Linux"; empty where it is not known."""
    # Loaded here: most studies do not record it.
    from ua_parser import parse

    found = parse(user_agent[:LONGEST_HEADER])
    if found.user_agent is None:
        return ""
    family = " ".join(filter(None, (found.user_agent.family, found.user_agent.major)))
    return ", ".join(filter(None, (family, found.os and found.os.family)))[:LONGEST]
