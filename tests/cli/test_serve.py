"""serve: what it refuses before it listens; what it does then is in tests/serve."""


def test_a_model_that_is_none_is_named(signbin, tmp_path) -> None:
    (tmp_path / "model.sbn").write_bytes(b"nothing of the kind")
    result = signbin("serve", tmp_path / "model.sbn", "--port", 0)
    assert result.code == 1
    assert "model.sbn" in result.err
