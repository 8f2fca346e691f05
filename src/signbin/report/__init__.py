"""What people read: plain data -> records -> JSON, one HTML page, or terminal tables.

Importing this room loads neither Jinja2 nor rich; the renderers load them when called.
"""

from signbin.report import words
from signbin.report.assemble import ReportOrigin, kind_of, make_report
from signbin.report.card import network_card
from signbin.report.energy_table import energy_view
from signbin.report.graph_svg import DrawnStep, graph_svg
from signbin.report.latent import Codes
from signbin.report.model import describe_layers, describe_model
from signbin.report.progress import counted_progress
from signbin.report.rank import predictions_json, rank
from signbin.report.runs import read_comparison, read_training
from signbin.report.schema import (
    Kind,
    Model,
    PatternCounts,
    Prediction,
    Ranked,
    Report,
    ReportedComparison,
    ReportedDifference,
    ReportedExactness,
    ReportedLatent,
    ReportedLayer,
    ReportedRun,
    Series,
    Study,
    StudyPoint,
    from_json,
)
from signbin.report.study import read_study
from signbin.report.trade_off_chart import trade_off_svg
from signbin.report.trade_off_table import trade_off_view
from signbin.report.write import (
    json_path,
    require_free,
    write_array,
    write_energy,
    write_files,
    write_json,
    write_picture,
    write_report,
    write_trade_off,
)

__all__ = [
    "Codes",
    "DrawnStep",
    "Kind",
    "Model",
    "PatternCounts",
    "Prediction",
    "Ranked",
    "Report",
    "ReportOrigin",
    "ReportedComparison",
    "ReportedDifference",
    "ReportedExactness",
    "ReportedLatent",
    "ReportedLayer",
    "ReportedRun",
    "Series",
    "Study",
    "StudyPoint",
    "counted_progress",
    "describe_layers",
    "describe_model",
    "energy_view",
    "from_json",
    "graph_svg",
    "json_path",
    "kind_of",
    "make_report",
    "network_card",
    "predictions_json",
    "rank",
    "read_comparison",
    "read_study",
    "read_training",
    "require_free",
    "trade_off_svg",
    "trade_off_view",
    "words",
    "write_array",
    "write_energy",
    "write_files",
    "write_json",
    "write_picture",
    "write_report",
    "write_trade_off",
]
