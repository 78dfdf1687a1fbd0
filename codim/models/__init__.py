"""Networks: encoder, classifier and projection head."""
