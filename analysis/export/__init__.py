"""A study for other programs and for a paper."""
