"""The analysis: trials to data frames, figures and a page."""
