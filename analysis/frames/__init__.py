"""Reading of a results folder as data frames."""
