"""Turns user data and instance metadata into the files that containerd and kubelet start from."""
