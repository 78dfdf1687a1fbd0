"""Intervals, tests, importance."""
