"""A served model: another file is read when it is there, and again where the system failed."""

import asyncio
import errno
import os

import numpy as np
import pytest

from signbin.errors import SignbinError
from signbin.serve.app import make_app
from signbin.serve.limits import ServingLimits
from signbin.serve.models import ServedModel


@pytest.fixture
def exchanged(tmp_path, save_model):
    """A model whose file has become another one, and the program of that."""
    path = tmp_path / "model.sbn"
    save_model(path, 1)
    model = ServedModel("model", path)
    return model, save_model(path, 2, overwrite=True)


def answers_as(model, program, images):
    found = model.opened.run({model.opened.inputs[0].name: images})
    expected = program(images).values()
    return all(any(np.array_equal(one, each) for each in expected) for one in found)


def failing_to_open(monkeypatch, path, error, times):
    """The next times that the file is opened, the system fails."""
    plain, left = os.open, [error] * times

    def fails(name, *rest, **named):
        if os.fspath(name) == str(path) and left:
            raise left.pop()
        return plain(name, *rest, **named)

    monkeypatch.setattr(os, "open", fails)


@pytest.mark.parametrize("error", [OSError, MemoryError])
def test_a_file_that_the_system_could_not_open_is_tried_again(
    exchanged, monkeypatch, images, error
):
    model, after = exchanged
    failing_to_open(monkeypatch, model.path, error(errno.EMFILE, "too many"), times=1)
    with pytest.raises((SignbinError, OSError, MemoryError)):
        model.reload()
    assert not answers_as(model, after, images)
    assert model.reload()
    assert answers_as(model, after, images)
    assert not model.reload()


def test_what_fails_again_and_again_is_tried_more_and_more_seldom(exchanged, monkeypatch):
    model, _ = exchanged
    failing_to_open(monkeypatch, model.path, OSError(errno.EMFILE, "too many"), times=100)
    tried = []
    for look in range(33):
        try:
            model.reload()
        except SignbinError:
            tried.append(look)
    assert tried == [0, 1, 3, 7, 15, 31]


def test_a_damaged_file_is_tried_once(exchanged):
    model, _ = exchanged
    model.path.write_bytes(b"half a file")
    with pytest.raises(SignbinError):
        model.reload()
    assert not model.reload()
    model.path.unlink()
    with pytest.raises(SignbinError):
        model.reload()
    assert not model.reload()


def test_memory_that_ran_out_while_a_file_was_read_again_does_not_end_the_watch(
    exchanged, monkeypatch, images
):
    model, after = exchanged
    failing_to_open(monkeypatch, model.path, MemoryError(), times=1)
    app = make_app({"model": model}, ServingLimits(reload_s=0.01))

    async def watched():
        async with app.router.lifespan_context(app):
            for _ in range(3000):
                await asyncio.sleep(0.01)
                if answers_as(model, after, images):
                    return True
        return False

    assert asyncio.run(watched())
