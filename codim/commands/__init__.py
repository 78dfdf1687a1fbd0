"""The commands of `python -m codim`, one file per command. Each has a `main` that takes its flags (arguments.py) and
returns the exit status. Only codim/__main__.py imports it.
"""
