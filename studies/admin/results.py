"""The results page of a study, and the folder with everything to download."""
