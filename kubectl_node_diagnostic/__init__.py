"""kubectl node-diagnostic: asks nodes for bundles of their logs, and reads what came. Runs where an operator sits."""
