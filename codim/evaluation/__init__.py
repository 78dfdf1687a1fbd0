"""Predictions and what they are worth, with and without the truth."""
