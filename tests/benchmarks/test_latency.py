"""What the guide says of predicted times holds of what was measured."""

from benchmarks.latency import SECTION, latency_table, predicted
from benchmarks.results import RESULTS, newest


def test_left_out_networks_are_predicted_as_well_as_the_guide_says():
    for section in newest(SECTION, RESULTS):
        errors: dict[str, list[float]] = {}
        for row, ms, _ in predicted(section):
            errors.setdefault(row["network"], []).append(ms / row["ms"] - 1)
        assert max(map(abs, errors["resnet18"] + errors["resnet50"])) < 0.2
        # Whether another network has large linear layers as VGG's decides about it.
        assert min(errors["vgg11"]) > -0.6


def test_the_table_counts_what_is_near_and_names_the_worst():
    section = next(iter(newest(SECTION, RESULTS)))
    lines = latency_table(section).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == list(
        dict.fromkeys(row["network"] for row in section["rows"])
    )
    for line in lines:
        _, _, schemes, near, _, worst, *_ = (cell.strip() for cell in line.split("|"))
        assert (schemes == near) == (abs(int(worst.split()[0])) <= 25)
