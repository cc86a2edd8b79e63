"""What participants agree to unless the researcher writes something else."""

DEFAULT_CONSENT = """\
You are invited to take part in a research study about how people and computer programs see pictures.

You will look at pictures and answer a short question about each of them. Nothing that identifies you is stored: only \
your answers and the time they took, under a random number.

Taking part is voluntary. You can stop at any time by closing the page, without giving a reason. The answers you \
have given by then are kept. The anonymous answers may be published, so that other researchers can check the results.

You must be at least 18 years old to take part."""
