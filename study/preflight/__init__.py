"""Checks before anything starts: whether the study fits, and what it will cost. The driver and ray_cluster/ import
it."""
