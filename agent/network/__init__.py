"""ENIs: what instance metadata says of each interface, made true in the kernel and published for others."""
