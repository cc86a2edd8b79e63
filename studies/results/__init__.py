"""Rows to tables of answers, figures and the numbers of a result."""
