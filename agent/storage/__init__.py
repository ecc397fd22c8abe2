"""Puts /var on the data volume."""
