"""The .sbn file: a network with logical weights, and what is needed to run it anywhere."""

from signbin.artifact.artifact import Artifact
from signbin.artifact.container import decode, encode, encoded_bytes
from signbin.artifact.file import read, write
from signbin.artifact.tensors import stored_bytes

__all__ = ["Artifact", "decode", "encode", "encoded_bytes", "read", "stored_bytes", "write"]
