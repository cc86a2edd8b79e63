"""From rows to tables, figures and a folder that a stranger can analyse."""
