"""What the driver shows and keeps while a study runs."""
