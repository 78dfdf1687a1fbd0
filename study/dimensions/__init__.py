"""The dimensions of a study's space: types, conditions on each other, and how each is searched, encoded and plotted.
The study file, the search, the results folder and the analysis use these classes, which depend on none of them.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Dimension="base", Axis="base", register_dimension_type="types", space_of="types")
