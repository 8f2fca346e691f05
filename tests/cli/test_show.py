"""show: one SVG file of a compiled model."""

from pathlib import Path
from xml.etree import ElementTree


def test_a_model_is_drawn_with_strategies_and_times(signbin, compiled, tmp_path: Path) -> None:
    picture = tmp_path / "graph.svg"
    result = signbin("show", compiled, "-o", picture)
    assert result.code == 0, result.err
    texts = [
        one.text or "" for one in ElementTree.parse(picture).iter() if one.tag.endswith("text")
    ]
    assert any("ms an image, measured on" in text for text in texts)
    assert "stages.0.0.conv1" in texts
    assert any(text.startswith("bucket, density 0.") for text in texts)
    steps = [text for text in texts if text.endswith(" ms")]
    assert len(steps) >= 7


def test_what_is_no_model_is_refused_and_nothing_overwritten(
    signbin, trained, compiled, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.sbn"
    broken.write_bytes(b"no model")
    assert signbin("show", broken, "-o", tmp_path / "b.svg").code == 1
    assert signbin("show", trained, "-o", tmp_path / "b.svg").code == 1
    assert "ending in .svg" in signbin("show", compiled, "-o", tmp_path / "b.png").err
    kept = tmp_path / "kept.svg"
    kept.write_text("mine", encoding="utf-8")
    assert signbin("show", compiled, "-o", kept).code == 1
    assert kept.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["broken.sbn", "kept.svg"]
