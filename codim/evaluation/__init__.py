"""Predictions and their evaluation, with and without true labels."""
