"""The driver: a study from its file to its end. study/run.py imports it."""
