"""The console: one cycle of diagnostics for people who have nothing but the EC2 console of a node."""
