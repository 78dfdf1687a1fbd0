"""The commands of `python -m analysis`, one file per command. Each has a `main` that takes its flags (arguments.py).
Only analysis/__main__.py imports it.
"""
