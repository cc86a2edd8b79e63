"""A study as it is registered before its first answer, and what was done beside it."""
