"""Whether images were reshaped where their axes should be permuted."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from live.nets import everything
from reluctant.records import Confidence, Severity
from reluctant.records.quantities import IMAGE_ECHOES


def smooth(samples: int, channels: int, side: int, detail: float = 0.5) -> Tensor:
    """What is rough on all scales, the coarse ones more."""
    image = torch.zeros(samples, channels, side, side)
    for level in range(1, 6):
        cells = torch.randn(samples, channels, 2**level, 2**level)
        image += detail**level * F.interpolate(cells, (side, side), mode="bilinear")
    return image


def photos(samples: int, side: int = 32, color: float = 0.4) -> Tensor:
    """Light that all channels share, and less of color; channels last."""
    light, own = smooth(samples, 1, side), smooth(samples, 3, side)
    noise = 0.01 * torch.randn(samples, 3, side, side)
    return (light + color * own + noise).permute(0, 2, 3, 1)


def reshaped(images: Tensor) -> Tensor:
    n, h, w, c = images.shape
    return images.reshape(n, c, h, w)


def permuted(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2)


def transparent(samples: int) -> Tensor:
    image = photos(samples)
    return torch.cat((image, torch.ones_like(image[..., :1])), 3)


def complex_waves(samples: int) -> Tensor:
    return smooth(samples, 2, 24).permute(0, 2, 3, 1)


def normalized(images: Tensor) -> Tensor:
    std, mean = torch.std_mean(images, (0, 2, 3), keepdim=True)
    return (images - mean) / std


def cropped(images: Tensor) -> Tensor:
    padded = F.pad(images, (4, 4, 4, 4))[..., 3:-5, 6:-2]
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, padded.flip(3), padded)


def gray(samples: int) -> Tensor:
    return photos(samples)[..., :1].expand(-1, -1, -1, 3)


def board(channels: int, cell: int, samples: int = 16) -> Tensor:
    """Of fields, at a place of its own and in colors of its own in each image."""
    at = torch.arange(32)
    shift = torch.randint(2 * cell, (samples, 1, 1, 1))
    fields = ((at[:, None] + shift) // cell + (at[None] + shift) // cell) % 2
    return fields * torch.randn(samples, channels, 1, 1)


def stripes(channels: int, width: int) -> Tensor:
    at = torch.arange(32) // width % 2
    return at * torch.randn(16, channels, 32, 1)


def one_hot(samples: int = 16) -> Tensor:
    parts = smooth(samples, 3, 32).argmax(1)
    return F.one_hot(parts, 3).permute(0, 3, 1, 2).float()


def fields_of_a_game(samples: int = 32) -> Tensor:
    return F.one_hot(torch.randint(3, (samples, 19, 19)), 3).permute(0, 3, 1, 2).float()


def spectrogram(channels: int, apart: int, along: int) -> Tensor:
    """Overtones that are so many bins apart, and fade."""
    at = torch.arange(48)
    tones = (at % apart == 0) * torch.exp(-at / 20)
    fading = torch.exp(-torch.rand(16, channels, 48, 1).cumsum(2) / 10)
    sound = fading * tones + 0.02 * torch.rand(16, channels, 48, 48)
    return sound if along == 3 else sound.mT


SICK: dict[str, Callable[[], Tensor]] = {
    "photographs": lambda: reshaped(photos(16)),
    "one photograph": lambda: reshaped(photos(1)),
    "two, with little color": lambda: reshaped(photos(2, color=0.2)),
    "odd sides": lambda: reshaped(photos(16, 31)),
    "sides that three divides": lambda: reshaped(photos(16, 48)),
    "small": lambda: reshaped(photos(16, 16)),
    "large": lambda: reshaped(photos(4, 160)),
    "transparent": lambda: reshaped(transparent(16)),
    "two channels": lambda: reshaped(complex_waves(16)),
    "normalized": lambda: normalized(reshaped(photos(16))),
    "normalized before": lambda: reshaped(
        normalized(photos(16).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    ),
    "cropped and flipped": lambda: cropped(reshaped(photos(16))),
    "half precision": lambda: reshaped(photos(16)).half().float(),
}
HEALTHY: dict[str, Callable[[], Tensor]] = {
    "photographs": lambda: permuted(photos(16)),
    "one photograph": lambda: permuted(photos(1)),
    "photographs of much color": lambda: permuted(photos(16, color=3.0)),
    "sides that three divides": lambda: permuted(photos(16, 48)),
    "transparent": lambda: permuted(transparent(16)),
    "two channels": lambda: permuted(complex_waves(16)),
    "normalized": lambda: normalized(permuted(photos(16))),
    "cropped and flipped": lambda: cropped(permuted(photos(16))),
    "gray": lambda: permuted(gray(16)),
    "gray, reshaped": lambda: reshaped(gray(16)),
    "noise": lambda: torch.randn(16, 3, 32, 32),
    "noise, reshaped": lambda: reshaped(torch.randn(16, 32, 32, 3)),
    "even noise": lambda: torch.rand(1, 3, 32, 32),
    "one color": lambda: torch.ones(16, 3, 32, 32),
    "one color each": lambda: torch.randn(16, 3, 1, 1).expand(-1, -1, 32, 32),
    "one-hot": one_hot,
    "game": fields_of_a_game,
    "not a number": lambda: torch.full((4, 3, 32, 32), float("nan")),
}
HEALTHY |= {
    f"board of {c}, {cell}": partial(board, c, cell)
    for c in (2, 3, 4)
    for cell in (1, 2, 3, 4)
}
HEALTHY |= {
    f"stripes of {c}, {width}": partial(stripes, c, width)
    for c in (2, 3, 4)
    for width in (1, 2)
}
HEALTHY |= {
    f"spectrogram of {c}, {apart} apart, axis {along}": partial(
        spectrogram, c, apart, along
    )
    for c in (2, 3)
    for apart in (2, 3, 4)
    for along in (2, 3)
}


def convolution(channels: int, *before: nn.Module) -> nn.Module:
    return nn.Sequential(
        *before,
        nn.Conv2d(channels, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )


def trained(x: Tensor, net: nn.Module, *, watched: bool = True):
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    run = reluctant.watch(net, optimizer, budget=1.0) if watched else None
    for _ in range(4):
        outputs = net(x)
        loss = F.cross_entropy(outputs, torch.arange(len(x)) % 2)
        if run:
            loss = run.loss(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if run:
        run.detach()
    return everything(net, optimizer), run


def judged(x: Tensor, net: nn.Module | None = None):
    _, run = trained(x, net or convolution(x.shape[1]))
    assert not [n.text for n in run.trace.notes("blind") if n.site == "images"]
    (check,) = [c for c in run.diagnosis.checks if c.code == "DAT402"]
    return check.outcome, [f for f in run.diagnosis.findings if f.code == "DAT402"], run


@pytest.mark.parametrize("name", SICK)
def test_channels_side_by_side_are_an_error(name: str):
    torch.manual_seed(0)
    _, (finding,), run = judged(SICK[name]())
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.HIGH)
    (cure,) = [p for p in run.diagnosis.prescriptions if p.cures == "DAT402"]
    assert "permute" in cure.patch


@pytest.mark.parametrize("name", HEALTHY)
def test_images_as_they_should_be_are_clear(name: str):
    torch.manual_seed(0)
    assert judged(HEALTHY[name]())[0] == "clear"


@pytest.mark.parametrize("is_right", [False, True])
def test_what_the_model_reshapes_itself_is_seen(is_right: bool):
    class Laid(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return permuted(x / 2) if is_right else reshaped(x / 2)

    torch.manual_seed(0)
    outcome, _, _ = judged(photos(8), convolution(3, Laid()))
    assert outcome == ("clear" if is_right else "found")


def test_behind_a_norm_it_is_seen():
    torch.manual_seed(0)
    net = convolution(3, nn.BatchNorm2d(3))
    assert judged(reshaped(photos(8)), net)[0] == "found"


def test_without_a_convolution_the_order_is_no_matter():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    outcome, _, run = judged(reshaped(photos(8)), net)
    assert outcome == "clear"
    assert not run.trace.has(IMAGE_ECHOES)


def test_looking_leaves_no_mark():
    torch.manual_seed(0)
    x = reshaped(photos(8))
    ends = []
    for watched in (False, True):
        torch.manual_seed(1)
        ends.append(trained(x, convolution(3, nn.BatchNorm2d(3)), watched=watched)[0])
    assert ends[0] == ends[1]
