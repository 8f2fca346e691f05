"""predict: a trained network scores what run scores; a cluster that is not there is named."""

import numpy as np
import pyarrow.parquet as pq

from signbin.runtime import Program


def test_a_data_set_has_the_scores_of_a_call(signbin, compiled, images, tmp_path) -> None:
    out = tmp_path / "out"
    result = signbin("predict", compiled, images, "-o", out, "--json")
    assert result.code == 0
    assert result.document == {"rows": 6, "parts": 1, "errors": 0}
    found = pq.read_table(out / "part-000000.parquet").column("scores").to_pylist()
    np.testing.assert_array_equal(np.stack(found), Program.load(compiled)(np.load(images)))


def test_a_cluster_that_is_not_there_is_named(signbin, compiled, images, tmp_path) -> None:
    result = signbin("predict", compiled, images, "-o", tmp_path / "out", "--ray", "nobody")
    assert result.code == 1
    assert "ray start --head" in result.err
