"""Before anything starts: does it fit, what will it cost."""
