"""Programs behind HTTP: the KServe v2 protocol, batches made of requests, metrics, reload."""

from signbin.serve.app import make_app
from signbin.serve.limits import ServingLimits
from signbin.serve.models import ServedModel, named_files
from signbin.serve.server import run_server

__all__ = ["ServedModel", "ServingLimits", "make_app", "named_files", "run_server"]
