"""A Django app as another lab has it, with a recruiter of its own: a site that shows studies in a frame."""
