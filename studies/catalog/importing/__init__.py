"""Bringing photographs and classifiers in: files that others made are looked at with suspicion before they are kept."""
