"""The load on a server, for a moment."""

import numpy as np
import pytest
import torch
from torch import nn

import signbin


@pytest.mark.parametrize("clients", [4])
def test_a_server_under_load_answers_as_the_program_and_is_measured(script, tmp_path, clients):
    module, tables = script("server_load"), script("door_tables")
    layer = nn.Conv2d(3, 8, 3)
    layer.weight.data = torch.from_numpy(
        np.random.default_rng(0).integers(0, 2, (8, 3, 3, 3)).astype(np.float32)
    )
    signbin.compile(layer, (torch.zeros(1, 3, 8, 8),)).save(tmp_path / "model.sbn")
    row = module.measure_server(tmp_path / "model.sbn", clients, 1.0, 4)
    assert row["errors"] == 0
    assert row["largest_difference"] < 1e-5
    assert row["requests"] > clients
    assert row["p50_ms"] <= row["p99_ms"]
    assert 0 < row["queue_mean_ms"] < row["p99_ms"]
    assert 1 <= row["batch_rows_mean"] <= 4
    assert row["one_client_ms"] > row["one_call_ms"] > 0
    assert tables.server_table({"rows": [row]}).count("\n") == 2
