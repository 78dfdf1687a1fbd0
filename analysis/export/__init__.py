"""Export of a study for other programs and for a paper. The commands import it."""
