"""The stages of a training, its state and its checkpoints."""
