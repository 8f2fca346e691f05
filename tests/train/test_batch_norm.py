import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.train.batch_norm import reestimate_batch_norm


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=0.3), nn.ReLU())


def test_running_statistics_become_those_of_the_images():
    model = network()
    images = 5 + torch.randn(200, 1, 6, 6)
    with torch.no_grad():
        before_norm = model[0](images)
    reestimate_batch_norm(model, images)
    channels = before_norm.transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_mean, channels.mean(1))
    torch.testing.assert_close(model[1].running_var, channels.var(1, unbiased=True))


def test_several_batches_count_alike():
    model = network()
    images = torch.randn(512, 1, 6, 6)
    images[256:] += 4
    with torch.no_grad():
        channels = model[0](images).transpose(0, 1).flatten(1)
    reestimate_batch_norm(model, images)
    torch.testing.assert_close(model[1].running_mean, channels.mean(1))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_else_of_the_model_changes(training):
    model = network().train(training)
    parameters = [parameter.detach().clone() for parameter in model.parameters()]
    reestimate_batch_norm(model, torch.randn(8, 1, 6, 6))
    assert model[1].momentum == 0.3
    assert model.training is training
    assert model[1].training is training
    for before, after in zip(parameters, model.parameters(), strict=True):
        assert torch.equal(before, after)
        assert after.grad is None


def test_one_image_is_too_few():
    with pytest.raises(SpecError, match="images to re-estimate batch norm from"):
        reestimate_batch_norm(network(), torch.zeros(1, 1, 6, 6))
