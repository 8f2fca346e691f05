"""The doors joined for measuring: a model file -> engines in processes of their own -> records."""

from signbin.verbs.bench.float_network import FloatNetwork, float_network
from signbin.verbs.bench.images import BenchImages, gather_images, random_images
from signbin.verbs.bench.race import bench
from signbin.verbs.bench.request import BenchRequest, parse_peer_python

__all__ = [
    "BenchImages",
    "BenchRequest",
    "FloatNetwork",
    "bench",
    "float_network",
    "gather_images",
    "parse_peer_python",
    "random_images",
]
