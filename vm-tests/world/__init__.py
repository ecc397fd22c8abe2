"""An EC2 region and an EKS cluster in a box: real where a real part exists, simulated where only AWS has it."""

from world.node import Node
from world.world import World

__all__ = ["Node", "World"]
