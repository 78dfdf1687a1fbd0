"""Advice: settings for data of unknown noise rate, from a study. The commands import it."""
