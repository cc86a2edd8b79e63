"""Pure statistics over tables of answers: NumPy, SciPy, pandas and statsmodels, nothing of the application.

Words: an *answer* is what one participant said about one stimulus; the answers to one stimulus are its *panel*; a
panel of n answers is *accepted* when at least k of them are yes. Shares lie in [0, 1], times are in seconds.

What cannot be computed is None, with a reason beside it: never NaN and never 0 in its place. Wrong input raises
:class:`studies.analysis.answers.AnswersError` with one line that says what and where.
"""
