"""Report: the self-contained HTML page."""
