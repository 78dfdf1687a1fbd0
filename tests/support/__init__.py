"""Helpers of several tests: small studies, made-up trials, processes to wait for."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Folder of the project."""
