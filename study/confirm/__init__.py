"""The second phase of a study: choose the settings to confirm, and train them again."""
