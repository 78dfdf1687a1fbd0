"""The commands of `python -m codim`, one file each."""
