"""Tables of a study, computed from its data frames."""
