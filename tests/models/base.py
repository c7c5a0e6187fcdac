"""What every model promises, as one test class: a new model's test names it and states its figures."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import pytest
import torch

from medseg.config import UnitConfig
from medseg.models import registry
from medseg.models.adapter import Segmenter
from medseg.training.losses import dice_cross_entropy
from tests.models.overfit import Learned, load_scene, overfit

ZOO: dict[str, type[ModelTests]] = {}

INPUTS = [(1, 2, True), (3, 5, False), (4, 2, False)]  # channels, classes, and whether the size is odd


class ModelTests:
    """Tests of the model called ``name``.

    Attributes:
        millions: parameters of the default configuration by the reference table or the paper.
        counted_at: channels and classes of that figure.
        small: settings of ``network`` for a network that 2 cores train in seconds; the default one where it is empty.
        learns_at: spatial size of the pictures or volumes that the small network has to learn.
        learns_in: steps in which it does.
    """

    name: ClassVar[str]
    millions: ClassVar[float]
    counted_at: ClassVar[tuple[int, int]] = (1, 2)
    small: ClassVar[dict[str, Any]] = {}
    learns_at: ClassVar[tuple[int, ...]] = ()
    learns_in: ClassVar[int] = 100

    def __init_subclass__(cls) -> None:
        ZOO[cls.name] = cls

    def network(self, channels: int = 1, classes: int = 2, full: bool = False) -> Segmenter:
        torch.manual_seed(0)
        return registry.build(self.unit(full), channels, classes)

    def unit(self, full: bool = False) -> UnitConfig:
        return registry.default_unit(self.name, {} if full else self.small)

    def images(self, channels: int = 1, odd: bool = False, full: bool = False, count: int = 2) -> torch.Tensor:
        """Random images of a size that the network takes; an odd size is no multiple of anything."""
        spec = registry.find(self.name)
        size = (64, 64) if spec.dims == 2 else (32, 24, 24)
        size = tuple(length + 5 for length in size) if odd else size
        size = spec.size.nearest(size, self.unit(full).network, count)
        return torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(1))

    def test_it_has_the_parameters_of_its_reference(self) -> None:
        with torch.device("meta"):
            given = _millions(registry.build(registry.default_unit(self.name), *self.counted_at))
            ours = _millions(registry.build(registry.default_unit(self.name), 1, 2))
        assert given == pytest.approx(self.millions, rel=0.005)
        assert ours == pytest.approx(registry.find(self.name).parameters_millions, rel=0.001)

    @pytest.mark.parametrize(("channels", "classes", "odd"), INPUTS)
    def test_any_size_and_number_of_channels_and_classes_trains(self, channels: int, classes: int, odd: bool) -> None:
        _train_one_step(self.network(channels, classes), self.images(channels, odd), classes)

    @pytest.mark.slow
    @pytest.mark.parametrize(("channels", "classes", "odd"), INPUTS)
    def test_the_full_network_trains_too(self, channels: int, classes: int, odd: bool) -> None:
        images = self.images(channels, odd, full=True)
        _train_one_step(self.network(channels, classes, full=True), images, classes)

    def test_one_sample_makes_a_batch(self) -> None:
        if registry.find(self.name).smallest_batch > 1:
            pytest.skip("its batch normalisation of 1 x 1 features needs two, which registry.check_patches says")
        _train_one_step(self.network(), self.images(count=1), 2)

    def test_saved_weights_give_the_same_output(self) -> None:
        network, again = self.network().eval(), self.network().eval()
        torch.nn.init.normal_(next(again.parameters()))
        buffer = io.BytesIO()
        torch.save(network.state_dict(), buffer)
        buffer.seek(0)
        again.load_state_dict(torch.load(buffer, weights_only=True))
        with torch.no_grad():
            torch.testing.assert_close(network(self.images()), again(self.images()), rtol=0, atol=0)

    def test_the_output_depends_on_the_input(self) -> None:
        network = self.network().eval()
        with torch.no_grad():
            one, other = network(self.images())
        assert (one - other).abs().max() > 1e-6

    def test_a_mixed_batch_equals_its_single_samples(self) -> None:
        network, batch = self.network().eval(), self.images()
        with torch.no_grad():
            whole = network(batch)
            singles = torch.cat([network(image[None]) for image in batch])
        torch.testing.assert_close(whole, singles, rtol=1e-3, atol=1e-4)

    def test_half_precision_gives_nearly_the_same(self) -> None:
        network, images = self.network().eval(), self.images()
        with torch.no_grad():
            exact = network(images)
            with torch.autocast("cpu", torch.bfloat16):
                rough = network(images).float()
        assert (rough - exact).abs().max() < 0.1 * (exact.max() - exact.min())

    @pytest.mark.slow
    def test_it_learns_real_scans_by_heart(self) -> None:
        assert self.learn().dice >= 0.90

    def learn(self) -> Learned:
        """Train the small network on a few real scans; ``make zoo`` tells the result."""
        scene = load_scene(registry.find(self.name).dims, self.learns_at)
        return overfit(self.unit(), scene, self.learns_in)


def _train_one_step(network: Segmenter, image: torch.Tensor, classes: int) -> None:
    """Logits have the size of the input, the loss is finite, and every weight gets a gradient."""
    reference = torch.randint(0, classes, (len(image), 1, *image.shape[2:]), generator=torch.Generator().manual_seed(2))
    network.eval()
    with torch.no_grad():
        assert network(image).shape == (len(image), classes, *image.shape[2:])
    network.train()
    loss = network.loss(image, reference, dice_cross_entropy())
    loss.backward()
    assert torch.isfinite(loss)
    without = [name for name, weight in network.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not without


def _millions(network: Segmenter) -> float:
    return sum(weight.numel() for weight in network.parameters()) / 1e6
