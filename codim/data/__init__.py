"""Data sets, their loaders, splits, views and index streams."""
