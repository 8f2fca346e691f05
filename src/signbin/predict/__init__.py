"""Scores of whole data sets, written once and only once, by one process or by a Ray cluster."""

from signbin.predict.facing import ScoredNetwork
from signbin.predict.output import OutputFolder, ScoredRows, ScoringRequest
from signbin.predict.score import PartScorer, request_for, score_all
from signbin.predict.sources import ImageRows, open_images

__all__ = [
    "ImageRows",
    "OutputFolder",
    "PartScorer",
    "ScoredNetwork",
    "ScoredRows",
    "ScoringRequest",
    "open_images",
    "request_for",
    "score_all",
]
