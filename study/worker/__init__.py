"""The code that runs in worker processes: trials and shared stages."""
