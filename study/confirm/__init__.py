"""The second phase: which settings are confirmed, and their trainings."""
