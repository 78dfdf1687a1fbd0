"""Ray: the connection, the cluster's nodes and head node, and patches to Ray."""
