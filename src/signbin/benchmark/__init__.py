"""The doors joined for measuring: a model file -> engines in processes of their own -> records."""

from signbin.benchmark.float_network import FloatNetwork, float_network
from signbin.benchmark.profiling import profile
from signbin.benchmark.race import bench
from signbin.benchmark.request import BenchRequest, parse_peer_python
from signbin.benchmark.samples import Samples, gather_samples, random_images

__all__ = [
    "BenchRequest",
    "FloatNetwork",
    "Samples",
    "bench",
    "float_network",
    "gather_samples",
    "parse_peer_python",
    "profile",
    "random_images",
]
