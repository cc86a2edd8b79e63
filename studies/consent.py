"""What participants agree to unless the researcher writes something else."""

#: True where nobody is named.
NOTHING_KEPT = """\
Nothing that identifies you is stored: only your answers and the time they took, under a random number."""
#: In its place where a recruiter names people.
ID_KEPT = """\
Your answers and the time they took are stored under a random number. Apart from them, the number by which {recruiter} \
knows you is kept for {days} days so that you can be paid, and then deleted."""

DEFAULT_CONSENT = f"""\
You are invited to take part in a research study about how people and computer programs see pictures.

You will look at pictures and answer a short question about each of them. {NOTHING_KEPT}

Taking part is voluntary. You can stop at any time by closing the page, without giving a reason. The answers you \
have given by then are kept. The anonymous answers may be published, so that other researchers can check the results.

You must be at least 18 years old to take part."""
