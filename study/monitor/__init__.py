"""Monitoring: the driver's display, records and loggers while a study runs."""
