"""System layer: device, data-parallel workers, crash-safe files and locks, progress. Everything above in codim may
import it, and so may the study.
"""
