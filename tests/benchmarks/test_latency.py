"""What the guide says of predicted times holds of what was measured."""

from benchmarks.latency import SECTION, predicted
from benchmarks.results import RESULTS, newest


def test_left_out_networks_are_predicted_as_well_as_the_guide_says():
    for section in newest(SECTION, RESULTS):
        errors: dict[str, list[float]] = {}
        for row, ms, _ in predicted(section):
            errors.setdefault(row["network"], []).append(ms / row["ms"] - 1)
        assert max(map(abs, errors["resnet18"] + errors["resnet50"])) < 0.2
        assert -0.6 < min(errors["vgg11"]) < -0.5
