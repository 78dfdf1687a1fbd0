"""The dimensions of a study's space: types, conditions on each other, and how each is searched, encoded and drawn.

A study file, the search, the results folder and the analysis all use these classes; nothing here knows of them.
"""
