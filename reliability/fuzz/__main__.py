"""``python -m reliability.fuzz``: see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reliability import ROOT
from reliability.fuzz.corpus import (
    FOUND,
    PLANTED,
    add_inputs,
    chosen,
    emptied,
    keep_inputs,
    kept_inputs,
)
from reliability.fuzz.counted import COUNTED, Counted
from reliability.fuzz.lines import least_inputs, lines_reached
from reliability.fuzz.native_build import link
from reliability.fuzz.native_targets import NATIVE_TARGETS
from reliability.fuzz.slices import Slice, run_slice
from reliability.fuzz.target import NativeTarget, PythonTarget

_SLICE_SECONDS: Final = 300
"""By the clock; what is under way when a run is stopped is not counted."""
_KEPT_BYTES: Final = 25_000
"""Of a target's corpus, before it is packed."""

Target = NativeTarget | PythonTarget


class Campaign:
    """The targets, where they run, and what is counted."""

    def __init__(self, folder: Path, counted: Counted, slice_seconds: int) -> None:
        self.folder, self.counted, self.slice_seconds = folder, counted, slice_seconds

    def targets(self, names: Sequence[str]) -> list[Target]:
        """Those of these names, all without any: C before Python."""
        from reliability.fuzz.readers import PYTHON_TARGETS  # noqa: PLC0415 - loads torch

        known: dict[str, Target] = {**NATIVE_TARGETS, **PYTHON_TARGETS}
        return [known[name] for name in names or known]

    def corpus(self, target: Target) -> Path:
        """The folder a target runs from, with seeds and what is kept in it."""
        folder = self.folder / "corpus" / target.name
        if not folder.is_dir():
            add_inputs(folder, self._seeds(target))
        add_inputs(folder, kept_inputs(target.name).values())
        return folder

    def _seeds(self, target: Target) -> list[bytes]:
        from reliability.fuzz.seeds import SEEDS  # noqa: PLC0415 - loads torch

        return [seed for seed in SEEDS[target.name]() if len(seed) <= target.largest]

    def command(self, target: Target, *, planted: bool = False) -> list[str]:
        """What runs a target."""
        if isinstance(target, NativeTarget):
            return [str(link(target, self.folder, plant=target.plant if planted else None))]
        module = [sys.executable, "-m", "reliability.fuzz.run_python", target.name]
        return [*module, *(["planted"] if planted else [])]

    def run(self, target: Target, seconds: int | None) -> Slice | None:
        """Until its goal, or so many seconds more; the slice that found something, if one did."""
        corpus, command = self.corpus(target), self.command(target)
        spent = 0.0
        while self._lacks(target) if seconds is None else spent < seconds:
            ran = run_slice(
                command,
                corpus,
                self.folder / "found" / target.name,
                seconds=self.slice_seconds,
                largest=target.largest,
            )
            spent += ran.seconds
            self.counted.add(target.name, ran.executions, ran.seconds)
            if ran.finding is not None:
                return ran
        return None

    def _lacks(self, target: Target) -> bool:
        known = self.counted.of(target.name)
        return bool(known["executions"] < target.executions or known["seconds"] < target.seconds)

    def self_test(self, target: Target) -> bool:
        """Whether the target finds the bug planted in it, from its seeds alone."""
        corpus = emptied(self.folder / "planted" / target.name)
        add_inputs(corpus, self._seeds(target))
        ran = run_slice(
            self.command(target, planted=True),
            corpus,
            self.folder / "planted" / f"{target.name}-found",
            seconds=600,
            largest=target.largest,
            runs=target.plant_executions,
        )
        if ran.finding is not None:
            words = target.plant.words if isinstance(target, NativeTarget) else target.plant_words
            inputs = kept_inputs(target.name) | {PLANTED: ran.finding.read_bytes()}
            keep_inputs(target.name, inputs)
            self.counted.set(target.name, planted={"bug": words, "executions": ran.executions})
        return ran.finding is not None

    def keep(self, target: Target) -> None:
        """Minimise what was found, put as much as is small into the archive, count lines."""
        corpus = self.corpus(target)
        least = emptied(self.folder / "least" / target.name)
        if isinstance(target, NativeTarget):
            command = [*self.command(target), "-merge=1", str(least)]
            found = self.folder / "found" / target.name
            run_slice(command, corpus, found, seconds=600, largest=target.largest)
        reached, there = lines_reached(target, self.folder, corpus)
        if isinstance(target, PythonTarget):
            least_inputs(self.folder, target, corpus, least)
        before = kept_inputs(target.name)
        stay = {name: each for name, each in before.items() if name.startswith((FOUND, PLANTED))}
        inputs = chosen(least, _KEPT_BYTES) | stay
        size = keep_inputs(target.name, inputs)
        self.counted.set(
            target.name,
            corpus={"inputs": len(inputs), "bytes": size},
            lines={"reached": reached, "there": there},
        )

    def add_finding(self, target: Target, path: Path, words: str) -> None:
        """Put an input that broke something into the archive, and say what it was."""
        inputs = kept_inputs(target.name)
        name = f"{FOUND}{sum(name.startswith(FOUND) for name in inputs)}"
        keep_inputs(target.name, inputs | {name: path.read_bytes()})
        self.counted.add_finding(target.name, words, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where something was found, or a planted bug was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="all, one after another, where none is named")
    parser.add_argument("--seconds", type=int, help="of each target, instead of what it lacks")
    parser.add_argument("--slice", type=int, default=_SLICE_SECONDS, help="seconds between counts")
    parser.add_argument("--self-test", action="store_true", help="look for planted bugs")
    parser.add_argument("--keep", action="store_true", help="write reliability/corpus, count lines")
    parser.add_argument("--mended", nargs=2, metavar=("FILE", "WORDS"), help="of one target")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("-o", "--output", type=Path, default=COUNTED)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    counted, failed = Counted(options.output), False
    campaign = Campaign(options.folder.resolve(), counted, options.slice)
    for target in campaign.targets(options.targets):
        if options.mended:
            campaign.add_finding(target, Path(options.mended[0]), options.mended[1])
        elif options.self_test:
            failed |= _say_planted(target, campaign)
        elif options.keep:
            campaign.keep(target)
        else:
            failed |= _say_found(target, campaign, options.seconds)
    return int(failed)


def _say_planted(target: Target, campaign: Campaign) -> bool:
    found = campaign.self_test(target)
    at = campaign.counted.of(target.name).get("planted", {}).get("executions")
    said = f"found after {at:,} executions" if found else "NOT found"
    sys.stdout.write(f"{target.name}: planted bug {said}\n")
    return not found


def _say_found(target: Target, campaign: Campaign, seconds: int | None) -> bool:
    found = campaign.run(target, seconds)
    known = campaign.counted.of(target.name)
    minutes = known["seconds"] / 60
    sys.stdout.write(f"{target.name}: {known['executions']:,} executions, {minutes:.1f} minutes\n")
    if found is not None:
        sys.stdout.write(f"{found.words}\n{target.name} found something: {found.finding}\n")
    sys.stdout.flush()
    return found is not None


if __name__ == "__main__":
    sys.exit(main())
