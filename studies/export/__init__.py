"""A folder that a stranger can analyse."""
