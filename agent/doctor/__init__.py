"""The doctor: why this node does or does not join its cluster, first cause first."""
