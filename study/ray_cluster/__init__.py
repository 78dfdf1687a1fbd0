"""Ray: the connection, the cluster's nodes and its head node. The driver imports it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, connected="connection")
