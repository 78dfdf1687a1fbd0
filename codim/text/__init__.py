"""Text that people write: files, tables of labels, and names that are safe to show."""
