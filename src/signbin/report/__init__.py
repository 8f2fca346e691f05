"""What people read: plain data -> records -> JSON, one HTML page, or terminal tables.

Importing this room loads neither Jinja2 nor rich; the renderers load them when called.
"""

from signbin.report import words
from signbin.report.assemble import ReportOrigin, kind_of, make_report
from signbin.report.card import network_card
from signbin.report.energy_table import energy_view
from signbin.report.model import describe_layers, describe_model
from signbin.report.progress import counted_progress
from signbin.report.rank import predictions_json, rank
from signbin.report.runs import read_comparison, read_training
from signbin.report.schema import (
    Kind,
    Model,
    Prediction,
    Ranked,
    Report,
    ReportedComparison,
    ReportedDifference,
    ReportedExactness,
    ReportedLayer,
    ReportedRun,
    Series,
    from_json,
)
from signbin.report.trade_off_chart import trade_off_svg
from signbin.report.trade_off_table import trade_off_view
from signbin.report.write import (
    json_path,
    require_free,
    write_array,
    write_energy,
    write_files,
    write_json,
    write_report,
    write_trade_off,
)

__all__ = [
    "Kind",
    "Model",
    "Prediction",
    "Ranked",
    "Report",
    "ReportOrigin",
    "ReportedComparison",
    "ReportedDifference",
    "ReportedExactness",
    "ReportedLayer",
    "ReportedRun",
    "Series",
    "counted_progress",
    "describe_layers",
    "describe_model",
    "energy_view",
    "from_json",
    "json_path",
    "kind_of",
    "make_report",
    "network_card",
    "predictions_json",
    "rank",
    "read_comparison",
    "read_training",
    "require_free",
    "trade_off_svg",
    "trade_off_view",
    "words",
    "write_array",
    "write_energy",
    "write_files",
    "write_json",
    "write_report",
    "write_trade_off",
]
