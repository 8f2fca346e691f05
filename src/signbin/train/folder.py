"""The files of a run: where they are, and when they may be written or removed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Final

from signbin.documents import from_document, to_document
from signbin.errors import FormatError, SpecError
from signbin.files import MOST_SETTINGS_BYTES, make_folder, read_text, write_text
from signbin.run_folders import HEADER, expect_no_run, holds_a_run
from signbin.strict_yaml import read_yaml, write_yaml
from signbin.train.config import TrainConfig

__all__ = ["RunFolder", "SeedFolder"]

_SEED_FOLDER: Final = re.compile(r"seed-\d+\Z")


@dataclasses.dataclass(frozen=True)
class SeedFolder:
    """OUT/seed-S: what training with one seed leaves behind."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """State after the last finished epoch, to resume from."""
        return self.path / "checkpoint.pt"

    @property
    def model(self) -> Path:
        """The trained weights; written last but the summary."""
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """One JSON object per epoch and line."""
        return self.path / "metrics.jsonl"

    @property
    def table(self) -> Path:
        """The same numbers as CSV, without those of single layers."""
        return self.path / "metrics.csv"

    @property
    def summary(self) -> Path:
        """JSON; its presence says that this seed is finished."""
        return self.path / "summary.json"

    def files(self) -> tuple[Path, ...]:
        """Everything training itself writes here."""
        return (self.checkpoint, self.model, self.metrics, self.table, self.summary)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """OUT: config.yaml, summary.json, a folder per seed, and costs.json where there is a budget."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration; its presence says that this is a run folder."""
        return self.path / "config.yaml"

    @property
    def summary(self) -> Path:
        """JSON over all seeds; its presence says that the run is finished."""
        return self.path / "summary.json"

    @property
    def costs(self) -> Path:
        """What the network costs by density, where its configuration has a budget."""
        return self.path / "costs.json"

    @property
    def cache(self) -> Path:
        """Folder of decoded images, where the configuration names no other."""
        return self.path / "cache"

    def seed(self, seed: int) -> SeedFolder:
        """The folder of one seed."""
        return SeedFolder(self.path / f"seed-{seed}")

    def start(self, config: TrainConfig, *, force: bool) -> None:
        """Make the folder and write config.yaml.

        SpecError where the path is a file or cannot be written, where it holds a run and force
        is False, or where it holds other files only: then nothing is touched. force removes the
        files of the run that was there, and nothing else.
        """
        try:
            self.check(force=force)
            if self.config.exists():
                self._clear()
            make_folder(self.path)
            write_text(self.config, HEADER + write_yaml(to_document(config)))
        except OSError as error:
            raise SpecError(
                "output folder cannot be written",
                value=str(self.path),
                reason=error.strerror or str(error),
                remedy="choose a folder that exists and can be written, or make room",
            ) from error

    def read_config(self) -> TrainConfig:
        """The configuration of the run; FormatError where this is no run folder."""
        if not self.config.is_file():
            raise FormatError(
                "not a run folder",
                value=str(self.path),
                allowed="a folder with config.yaml, as signbin train writes it",
            )
        try:
            text = read_text(self.config, MOST_SETTINGS_BYTES)
            return from_document(TrainConfig, read_yaml(text, str(self.config)))
        except (OSError, SpecError, UnicodeDecodeError) as error:
            raise FormatError(f"damaged configuration {self.config}: {error}") from error

    def check(self, *, force: bool) -> None:
        """Refuse, without touching anything, what :meth:`start` would refuse.

        A folder that holds nothing but decoded images is as good as an empty one.
        """
        if self.path.exists() and not self.path.is_dir():
            raise SpecError("output folder", value=str(self.path), allowed="a folder")
        if not self.path.is_dir() or all(entry == self.cache for entry in self.path.iterdir()):
            return
        if not holds_a_run(self.path):
            raise SpecError(
                "output folder holds other files",
                value=str(self.path),
                allowed="a new or empty folder, or an earlier run",
            )
        if not force:
            expect_no_run(self.path)

    def _clear(self) -> None:
        # The configuration goes last: until then the folder is known to hold a run.
        seeds = [SeedFolder(path) for path in self.path.iterdir() if _is_seed_folder(path)]
        for folder in seeds:
            for file in folder.files():
                file.unlink(missing_ok=True)
                # What a write that was killed left behind.
                for part in folder.path.glob(f".{file.name}.*"):
                    part.unlink()
            if not any(folder.path.iterdir()):
                folder.path.rmdir()
        self.summary.unlink(missing_ok=True)
        self.costs.unlink(missing_ok=True)
        self.config.unlink()


def _is_seed_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and bool(_SEED_FOLDER.match(path.name))
