"""System layer: device, distributed workers, crash-safe files."""
