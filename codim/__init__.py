"""CoDiM: learning with noisy labels by contrastive pre-training, co-divide and contrastive semi-supervised learning."""
