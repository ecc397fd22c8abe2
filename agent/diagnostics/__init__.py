"""Diagnostics: answers this node's NodeDiagnostic object with a bundle of its logs."""
