"""Arrays of files: what numpy wrote is read; what runs code or claims too much is refused."""

import numpy as np
import pytest

from signbin.arrays import open_array
from signbin.errors import FormatError


def test_an_array_is_read_as_it_was_written(tmp_path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    found = open_array(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, array)
    assert not found.flags.writeable


def test_objects_short_files_and_other_files_are_refused_by_name(tmp_path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "whole.npy", np.zeros(1000))
    (tmp_path / "short.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:500])
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("objects", "short", "text", "empty"):
        with pytest.raises(FormatError, match=rf"{name}\.npy is not a \.npy file"):
            open_array(tmp_path / f"{name}.npy")
    with pytest.raises(FileNotFoundError):
        open_array(tmp_path / "none.npy")
