"""The measurement of the operator of PyTorch, on a small network."""

from signbin.measure import Schedule


def test_models_with_the_operator_are_compared_with_the_program_and_timed(script) -> None:
    module, tables = script("torch_operator"), script("door_tables")
    schedule = Schedule(rounds=3, warm_up_s=0.0, turn_s=0.001)
    rows = module.measure_models("resnet18", 1, schedule, image_size=32, classes=4, width=8)
    assert [row["model"][:4] for row in rows] == ["body", "all ", "stag"]
    assert all(row["error"] < 1e-4 and row["ratio"] > 0 for row in rows)
    assert tables.torch_operator_table({"rows": rows}).count("resnet18") == 3
