"""Ray: connecting, the nodes, the head, and what is patched in it."""
