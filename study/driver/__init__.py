"""The driver: a study from its file to its end."""
