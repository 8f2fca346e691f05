"""What docs/trade-off.md says between its tables; every number comes from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]
SB, SHARED, GROUPS = "signed-binary 0.357", "binary, shared total", "binary, two groups"
TERNARY, TERNARY_SPARSE = "ternary 0.71", "ternary 0.357"

PAGE: Final = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
"""With a place for every table and figure."""


def figures(
    found: Mapping[str, Any], sums: Mapping[tuple[str, str, str], Mapping[str, float]]
) -> dict[str, Any]:
    """Every number of the text, and the sentences that need times."""
    return {
        **_sweep(found["density"], found["tiles"], found["support"]),
        **_structure(found),
        **_networks(found),
        **_sentences(sums),
    }


def _row(rows: Rows, **wanted: Any) -> Mapping[str, Any]:
    """The first row that has these members."""
    return next(row for row in rows if all(row.get(name) == wanted[name] for name in wanted))


def _sweep(density: Rows, tiles: Rows, support: Rows) -> dict[str, float]:
    """Of one layer of independent weights."""
    sparse, half, low = (
        _row(density, kind="signed_binary", density=share) for share in (0.357, 0.5, 0.1)
    )
    shared, groups = (_row(density, form=form) for form in ("shared total", "two groups"))
    ternary, walk = _row(density, kind="ternary", density=0.71), _row(support, engine="bucket")
    merged = _row(support, engine="summerge")
    best = tiles[-1]["adds"]
    return {
        "sb_binary_summerge": shared["adds"]["summerge"] / sparse["adds"]["summerge"],
        "sb_binary_bucket": shared["adds"]["bucket"] / sparse["adds"]["bucket"],
        "sb_binary_bound": shared["bound"] / sparse["bound"],
        "sb_groups_summerge": groups["adds"]["summerge"] / sparse["adds"]["summerge"],
        "ternary_summerge": best[TERNARY] / best[SB],
        "sb_bits": sparse["entropy_bits"],
        "low_density": low["density"],
        "low_share": low["adds"]["summerge"] / half["adds"]["summerge"],
        "ternary_patterns": ternary["patterns_of_8"],
        "binary_patterns": shared["patterns_of_8"],
        "walk_over_bound": sparse["adds"]["bucket"] / sparse["bound"],
        "off_groups": merged["off"] / merged["two groups"],
        "off_shared": merged["off"] / merged["shared total"],
        "walk_off": walk["off"] / walk["on"] - 1,
    }


def _structure(found: Mapping[str, Any]) -> dict[str, float]:
    """Of weights with structure: aligned zeros, regions, repeated filters; and linear layers."""
    plain, half = (_row(found["aligned"], share=share)["adds"] for share in (0.0, 0.5))
    whole, split = (_row(found["regions"], channels=size)["adds"] for size in (64, 16))
    copies = _row(found["extremes"], weights="eight filters, each eight times")
    linear = _row(found["linear"], shape=[1024, 1024])["adds"]
    return {
        "aligned_gain": plain["bucket"] / half["bucket"],
        "aligned_agr": plain["agr"] / half["agr"],
        "regions_walk": min(split["bucket"], split["bucket, a chunk per region"]) / whole["bucket"],
        "regions_summerge": split["summerge"] / whole["summerge"],
        "copies_summerge": copies["adds"]["summerge"],
        "linear_summerge": linear[SHARED]["summerge"] / linear[SB]["summerge"],
        "linear_bucket": linear[SHARED]["bucket"] / linear[SB]["bucket"],
    }


def _networks(found: Mapping[str, Any]) -> dict[str, float]:
    """Of ResNet-18, and of regrouped filters."""
    sparse, shared = (_row(found["resnet18"], weights=name)["adds"] for name in (SB, SHARED))
    random, trained = found["grouping_of_random"], list(found["trained"].values())
    network = found["trained"]["ResNet-20, signed-binary"]["adds"]
    kept, mixed = network["as trained"], network["shuffled"]
    return {
        "sb_binary_resnet_summerge": shared["summerge"] / sparse["summerge"],
        "sb_binary_resnet_bucket": shared["bucket"] / sparse["bucket"],
        "sb_binary_resnet_codes": shared["bucket on codes"] / sparse["bucket on codes"],
        "shuffle_walk": mixed["bucket"] / kept["bucket"] - 1,
        "shuffle_summerge": mixed["summerge"] / kept["summerge"] - 1,
        "random_least": min(_gains(random, chunked=False)),
        "random_most": max(_gains(random, chunked=False)),
        "trained_most": max(_gains(trained, chunked=False), default=0.0),
        "trained_chunks": max(_gains(trained, chunked=True), default=0.0),
    }


def gain(grouping: Mapping[str, Any]) -> float:
    """Share of the load-adds that regrouping saves."""
    return 1 - float(grouping["after"]) / float(grouping["before"])


def _gains(rows: Rows, *, chunked: bool) -> list[float]:
    """Shares of load-adds that regrouping saves, over all channels or in chunks."""
    entries = [entry for row in rows for entry in row["grouping"]]
    return [gain(entry) for entry in entries if (entry["chunk"] is not None) is chunked]


Totals = Mapping[tuple[str, str, str], Mapping[str, float]]
KINDS: Final = ("signed_binary", "ternary", "binary", "aligned")
TYPES: Final = {"f32": "fp32", "u8": "8-bit"}


def _sentences(sums: Totals) -> dict[str, str]:
    """What times say; that they are missing, where they are."""
    keys = [(kind, type_, "bucket") for kind in KINDS for type_ in TYPES]
    if not all(key in sums for key in keys):
        missing = "Not timed."
        names = (
            "timed",
            "times_words",
            "binary_times",
            "ternary_times",
            "aligned_times",
            "bitserial_times",
        )
        return dict.fromkeys(names, missing)
    return {
        "timed": _timed(sums),
        "times_words": _times_words(sums),
        "binary_times": _between(sums, "binary", "Timed, binary takes"),
        "ternary_times": _between(sums, "ternary", "Ternary takes"),
        "aligned_times": _aligned_times(sums),
        "bitserial_times": _bitserial_times(sums),
    }


def _factor(sums: Totals, kind: str, type_: str, engine: str, of: str = "bucket") -> float:
    return sums[kind, type_, engine]["ms"] / sums[kind, type_, of]["ms"]


def _timed(sums: Totals) -> str:
    said = [
        f"{_factor(sums, 'signed_binary', type_, 'summerge'):.2f}x faster than SumMerge's list of "
        f"sums and {_factor(sums, 'signed_binary', type_, 'agr'):.2f}x than agr's in {name}"
        for type_, name in TYPES.items()
    ]
    return (
        f"Timed on ResNet-18's layers, the walk is {' and '.join(said)}: additions are not time, "
        "the sums of a list are stored and loaded again, a walk's stay in registers."
    )


def _times_words(sums: Totals) -> str:
    ours = sums["signed_binary", "f32", "bucket"], sums["signed_binary", "u8", "bucket"]
    limits = [one["adds"] / one["bound"] for one in ours]
    merged = sums["signed_binary", "f32", "summerge"]["adds"] / ours[0]["adds"]
    return (
        f"The fastest walks take {limits[0]:.2f} times the limit in fp32, {limits[1]:.2f} times in "
        f"8 bits, where sums must fit 16 bits and chunks are smaller. In fp32 SumMerge's fastest "
        f"list has {merged:.2f} times the walk's additions: larger tiles have fewer, and run "
        "slower."
    )


def _between(sums: Totals, kind: str, words: str) -> str:
    said = []
    for type_, name in TYPES.items():
        for engine in ("bucket", "bucket, machine code"):
            factor = sums[kind, type_, engine]["ms"] / sums["signed_binary", type_, engine]["ms"]
            said.append(f"{factor:.2f}x ({name}, {engine.replace('bucket', 'walk', 1)})")
    return f"{words} {', '.join(said)} signed-binary's time."


def _aligned_times(sums: Totals) -> str:
    said = []
    for type_, name in TYPES.items():
        plain, aligned, binary = (
            sums[kind, type_, "bucket, machine code"]["ms"]
            for kind in ("signed_binary", "aligned", "binary")
        )
        said.append(f"in {name} {plain / aligned:.2f}x, and {binary / aligned:.2f}x from binary")
    return f"Timed, walks as machine code gain {'; '.join(said)}."


def _bitserial_times(sums: Totals) -> str:
    said = [
        f"{kind.replace('_', '-')} {_factor(sums, kind, 'u8', 'bitserial'):.1f}x"
        for kind in KINDS[:3]
    ]
    return (
        "On 8-bit codes their eight planes take "
        + ", ".join(said)
        + " the walk's time; there is a plane for every bit of an activation."
    )
