"""What the virtual machines need, built on demand and cached: tools root, Go programs, wheels, node image."""

from tools.binaries import PROGRAMS, binary
from tools.enter import enter_command
from tools.node_image import Image, image
from tools.trees import root
from tools.wheels import site, wheel

__all__ = ["PROGRAMS", "Image", "binary", "enter_command", "image", "root", "site", "wheel"]
