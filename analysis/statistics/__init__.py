"""Statistics: intervals, tests, importance."""
