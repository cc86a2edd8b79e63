"""Measuring a classifier's explanations: what is asked, what has to be computed, what it comes to."""
