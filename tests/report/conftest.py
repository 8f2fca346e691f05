"""Records and files that stand for two finished runs, a model and a comparison."""

import pytest

from signbin.report import (
    Model,
    PatternCounts,
    ReportedComparison,
    ReportedDifference,
    ReportedLatent,
    ReportedLayer,
    ReportedRun,
    ReportOrigin,
    Series,
    Study,
    StudyPoint,
    make_report,
)


def _training(weights: str, values: str, accuracies: tuple[float, ...]) -> ReportedRun:
    epochs = (1, 2, 3)
    series = tuple(
        Series(quantity, seed, epochs, (0.5, 0.8, final))
        for seed, final in enumerate(accuracies)
        for quantity in ("test_accuracy", "train_loss")
    )
    return ReportedRun(
        path=f"runs/{weights}",
        recipe="digits",
        weights=weights,
        values=values,
        seeds=tuple(range(len(accuracies))),
        accuracies=accuracies,
        density=0.35,
        layer_density={"blocks.0.conv1": 0.35},
        parameters=70_000,
        series=series,
        config={"epochs": "3"},
        environment={"python": "3.11"},
        command=f"signbin train digits --weights {weights}",
        latent=(ReportedLatent("blocks.0.conv1", 0.5, (1, 3, 8, 3, 1), (0, 0, 0, 3, 1)),),
    )


@pytest.fixture
def signed_binary() -> ReportedRun:
    return _training("signed_binary", "{0,+1} or {0,-1} per region", (0.96, 0.97, 0.98))


@pytest.fixture
def binary() -> ReportedRun:
    return _training("binary", "{-1,+1}", (0.95,))


@pytest.fixture
def model() -> Model:
    reason = "chosen: 300 load-adds against 900 multiply-adds"
    layers = (
        ReportedLayer("stem", "conv2d", "float", 1.0, 9_000, "dense", {}, "chosen: not low-bit"),
        ReportedLayer(
            "conv1",
            "conv2d",
            "signed_binary",
            0.35,
            90_000,
            "bucket",
            {"filters": 8},
            reason,
            ms=0.25,
            energy_uj=1.5,
            additions=30_000,
            size_bytes=900,
            patterns=PatternCounts(2, 2, (5, 0, 2, 9)),
        ),
    )
    provenance = {"recipe": "digits", "command": "signbin compile runs/signed_binary"}
    return Model(
        "model.sbn",
        4_000,
        16_000,
        15_000,
        1.5,
        2.0,
        "portable",
        layers,
        ("zero", "one"),
        provenance,
        ms=0.3,
        ms_how="measured on a CPU",
        energy_uj=2.5,
        energy_how="estimated",
        accuracy=0.97,
    )


@pytest.fixture
def study() -> Study:
    points = (
        StudyPoint("narrow", "signed_binary", 0.80, 1, {"effectual_weights": 1_000.0}),
        StudyPoint("wide", "signed_binary", 0.90, 2, {"effectual_weights": 9_000.0}),
        StudyPoint("waste", "binary", 0.85, 1, {"effectual_weights": 9_500.0}),
    )
    return Study("Width", "What is width worth?", points, ("broken",))


@pytest.fixture
def comparison() -> ReportedComparison:
    layers = (
        ReportedDifference("conv1", 1e-7, 3e-7),
        ReportedDifference("fc", None, 2e-3, outside=True),
    )
    return ReportedComparison(360, 2e-3, 0.99, 1e-4, "fc", layers)


@pytest.fixture
def report(signed_binary, binary, model, comparison):
    return make_report(
        [signed_binary, binary], [model], comparison, ReportOrigin("2026-01-02 03:04 UTC", "1.2.3")
    )
