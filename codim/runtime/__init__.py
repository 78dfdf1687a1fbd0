"""The machine underneath: device, distributed workers, files that survive crashes."""
