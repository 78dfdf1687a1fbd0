"""Repair of Optuna's journal after a killed driver. No Optuna."""

import json
from pathlib import Path


def repair_journal(journal: Path) -> None:
    """Remove an incomplete last line and the lock of a killed driver: Optuna would append to the line and wait for the
    lock. Raises ValueError if another line is damaged."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                json.loads(line)
            except ValueError as error:
                advice = "restore it from a copy, or give the study another --results"
                raise ValueError(f"{journal}:{number} is damaged ({error}); {advice}") from error
        if whole < len(content):
            with journal.open("r+b") as file:
                file.truncate(whole)
