"""The accelerator models: the ONE list, and configurations by name or from a file.

A model is a function from a layer and a configuration to counts; each file says what it counts,
what it leaves out and which paper it follows.

Related systems without a model of their own:

* SpAtten (HPCA 2021) prunes tokens and heads of attention while it runs. A convolution has
  neither, and its weights are fixed before: nothing of it applies to signed-binary convolution.
* SparseTrain (PACT 2020) skips zero activations and gradients in training on a CPU, by testing
  each broadcast element at run time. Signed-binary zeros are known when the plan is made, so the
  CPU model drops them without a test; its forward saving is the activation density, which
  ``save`` and ``extensor`` take as data.
* TeAAL (MICRO 2023) is a language of cascades, mappings and formats from which models are
  generated, not an array. The counts of every model here can be written as Accelergy action
  counts, which is also the level at which a TeAAL model reports.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from signbin.analysis.accelerators import (
    cpu,
    extensor,
    maeri,
    row_stationary,
    save,
    sigma,
    systolic,
    ucnn,
)
from signbin.analysis.counts import Counts
from signbin.analysis.workload import LayerWorkload
from signbin.errors import FormatError, SpecError, unknown
from signbin.files import MOST_SETTINGS_BYTES, read_text

__all__ = ["ACCELERATORS", "Accelerator", "accelerator", "load_configuration"]

_CONFIGURATIONS: Final = Path(__file__).parent.parent / "configurations"


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One model.

    numbers: fields that the numbers of a configuration's name set, in order (``sigma-256-128``).
    mirrored: field -> field it equals where the name or file does not set it. table: the energy
    table used where none is asked for, one that prices all of the model's actions.
    """

    name: str
    summary: str
    configuration: Callable[..., Any]
    count: Callable[[LayerWorkload, Any], Counts]
    numbers: tuple[str, ...]
    default: str
    mirrored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    table: str = "stonne"

    def configured(self, name: str, values: Mapping[str, Any]) -> Any:
        """A configuration; SpecError names a missing, unknown or impossible field."""
        fields = {field.name for field in dataclasses.fields(self.configuration)}  # type: ignore[arg-type]  # every configuration is a dataclass
        unknown = sorted(set(values) - fields - {"name"})
        if unknown:
            raise SpecError(
                f"{name}: unknown field", value=unknown[0], allowed=", ".join(sorted(fields))
            )
        filled = {key: values[other] for key, other in self.mirrored.items() if other in values}
        missing = [field for field in self.numbers if field not in values]
        if missing:
            raise SpecError(f"{name}: missing field", value=missing[0])
        return self.configuration(**{**filled, **values, "name": name})


ACCELERATORS: Final = (
    Accelerator(
        "sigma",
        "sparse matrix product, flexible packing (validated against STONNE)",
        sigma.SigmaConfiguration,
        sigma.count,
        ("multipliers", "bandwidth"),
        "sigma-256-128",
        {"collection_bandwidth": "bandwidth"},
    ),
    Accelerator(
        "maeri",
        "dense, flexible clusters",
        maeri.MaeriConfiguration,
        maeri.count,
        ("multipliers", "bandwidth"),
        "maeri-256-128",
        {"collection_bandwidth": "bandwidth"},
    ),
    Accelerator(
        "systolic",
        "rigid output-stationary array (TPU-like)",
        systolic.SystolicConfiguration,
        systolic.count,
        ("rows", "columns"),
        "systolic-16-16",
    ),
    Accelerator(
        "row-stationary",
        "row-stationary array (Eyeriss-like)",
        row_stationary.RowStationaryConfiguration,
        row_stationary.count,
        ("rows", "columns"),
        "row-stationary-12-14",
    ),
    Accelerator(
        "ucnn",
        "repetition-aware array (UCNN-like)",
        ucnn.UcnnConfiguration,
        ucnn.count,
        ("lanes", "filters"),
        "ucnn-32-2",
    ),
    Accelerator(
        "extensor",
        "intersection of sparse operands (ExTensor-like)",
        extensor.ExtensorConfiguration,
        extensor.count,
        ("elements", "compares"),
        "extensor-128-4",
    ),
    Accelerator(
        "save",
        "vector lanes that skip zeros (SAVE-like)",
        save.SaveConfiguration,
        save.count,
        ("lanes", "window"),
        "save-16-24",
        table="horowitz-45nm",
    ),
    Accelerator(
        "cpu",
        "instructions and cache lines of the planned kernels",
        cpu.CpuConfiguration,
        cpu.count,
        ("lanes",),
        "cpu-8",
        table="horowitz-45nm",
    ),
)


def accelerator(name: str) -> Accelerator:
    """The model of that name; SpecError lists the names."""
    for one in ACCELERATORS:
        if one.name == name:
            return one
    raise unknown("accelerator", name, (one.name for one in ACCELERATORS))


def load_configuration(model: Accelerator, source: str | Path | None = None) -> Any:
    """A configuration: a shipped name, ``<model>-<numbers>``, or a TOML file of its fields.

    A file holds one table of fields, and may say ``accelerator = "<model>"``. None is the
    model's default. SpecError or FormatError names what is wrong.
    """
    if isinstance(source, Path) or (source and source.endswith(".toml")):
        path = Path(source)
        values = _read_toml(path)
        if values.pop("accelerator", model.name) != model.name:
            raise SpecError(f"{path.name}: accelerator", allowed=model.name)
        return model.configured(path.stem, values)
    name = source or model.default
    shipped = _read_toml(_CONFIGURATIONS / f"{model.name}.toml")
    if name in shipped:
        return model.configured(name, shipped[name])
    numbers = "-".join([r"(\d{1,9})"] * len(model.numbers))
    match = re.fullmatch(rf"{re.escape(model.name)}-{numbers}", name)
    if not match:
        shape = "-".join(f"<{field}>" for field in model.numbers)
        raise SpecError(
            f"configuration of {model.name}",
            value=name,
            allowed=f"{', '.join(shipped)}; {model.name}-{shape}; or a .toml file",
        )
    fields = zip(model.numbers, map(int, match.groups()), strict=True)
    return model.configured(name, dict(fields))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path, MOST_SETTINGS_BYTES))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"configuration file {path}", value=str(error)) from error
