"""Random features: judged by a loop over windows, and by pictures that only their texture tells apart."""

import numpy as np
import pytest
import torch

from torchbeam.errors import SettingError
from torchbeam.learn import randomfeatures
from torchbeam.learn.probes import probe
from torchbeam.learn.randomfeatures import THRESHOLD, random_features


def stripes(count: int, size: int = 20) -> tuple[torch.Tensor, np.ndarray]:
    """Grey pictures with stripes across or down, in noise; half of them each."""
    chance = np.random.default_rng(0)
    made = chance.normal(128, 25, (count, 1, size, size))
    labels = np.arange(count) % 2
    for number, label in enumerate(labels):
        wave = 60 * np.sign(np.sin(np.arange(size) * 2 * np.pi / 5 + chance.uniform(0, 6)))
        made[number, 0] += wave[:, None] if label else wave[None]
    return torch.tensor(made.clip(0, 255), dtype=torch.uint8), labels


def test_texture_is_known_before_anything_is_learnt():
    pixels, labels = stripes(60)
    assert probe(random_features(pixels, 200), labels).accuracy > 0.95
    assert probe(pixels.flatten(1).float(), labels).accuracy < 0.9


@pytest.mark.parametrize("shape", [(3, 3, 40, 56), (2, 1, 28, 28), (2, 3, 8, 5), (1, 1, 1, 1), (2, 3, 300, 64)])
@pytest.mark.parametrize("width", [1, 7, 64])
def test_the_width_is_as_asked_and_all_is_finite(shape, width):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = random_features(pixels, width)
    assert found.shape == (shape[0], width)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_the_seed_decides(monkeypatch):
    pixels, _ = stripes(10)
    first, again, other = (random_features(pixels, 32, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    monkeypatch.setattr(randomfeatures, "AT_ONCE", 3)
    assert torch.allclose(random_features(pixels, 32, 0), first, atol=1e-5)


def test_a_loop_over_windows_gives_the_same():
    chance = torch.Generator().manual_seed(0)
    small = torch.rand(1, 2, 7, 6, generator=chance)
    mean, white, filters = (torch.randn(*shape, generator=chance) for shape in ((18,), (18, 18), (18, 3)))
    found = randomfeatures._answers(small, 3, mean, white, filters)
    maps = np.zeros((3, 5, 4))
    for row in range(5):
        for column in range(4):
            patch = small[0, :, row : row + 3, column : column + 3].double().numpy().reshape(-1)
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 10 / 255**2)
            answer = (patch - mean.numpy()) @ white.numpy() @ filters.numpy()
            maps[:, row, column] = np.maximum(answer - THRESHOLD, 0)
    quarters = [
        maps[:, top, left].mean((1, 2)) for top in (slice(0, 3), slice(2, 5)) for left in (slice(0, 2), slice(2, 4))
    ]
    assert found[0].numpy() == pytest.approx(np.stack(quarters, 1).reshape(-1), abs=1e-4)


def test_whitening_makes_what_varies_uncorrelated():
    chance = torch.Generator().manual_seed(0)
    mixed = torch.randn(5000, 6, generator=chance) @ (3 * torch.randn(6, 6, generator=chance))
    centred = mixed - mixed.mean(0)
    white = centred @ randomfeatures._whitening(centred)
    covariance = np.cov(white.numpy().T)
    values = np.linalg.eigvalsh(np.cov(centred.numpy().T, bias=True))
    assert np.linalg.eigvalsh(covariance) == pytest.approx(values / (values + 0.1), rel=2e-2)


def test_no_width_is_refused():
    with pytest.raises(SettingError, match="random features cannot be 0 numbers wide"):
        random_features(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0)
