"""Export of a study for other programs and for a paper."""
