"""One file a figure: `TITLE`, `compute(trials) -> Info`, `draw(info, figure)` and `caption(info)`."""
