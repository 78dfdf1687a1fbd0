"""Text written by people: files, tables of labels, and names that are safe to show. Everything may import it."""
