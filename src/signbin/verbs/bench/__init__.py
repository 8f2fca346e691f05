"""The doors joined for measuring: a model file -> engines in processes of their own -> records."""

from signbin.verbs.bench.float_network import FloatNetwork, float_network
from signbin.verbs.bench.race import bench
from signbin.verbs.bench.request import BenchRequest, parse_peer_python
from signbin.verbs.bench.samples import Samples, gather_samples, random_images

__all__ = [
    "BenchRequest",
    "FloatNetwork",
    "Samples",
    "bench",
    "float_network",
    "gather_samples",
    "parse_peer_python",
    "random_images",
]
