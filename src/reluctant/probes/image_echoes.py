"""Whether images were reshaped from height, width, channels, and not permuted."""

import torch
from torch import Tensor

CHANNELS = (2, 4)  # fewest and most that are looked at
_SAMPLES, _SIDE = 16, 64  # images, and pixels in the middle of each, that are looked at
_SMALLEST = 12  # pixels on a side; a difference must be seen again at several places


def is_image(x: Tensor) -> bool:
    """Whether this may be a batch of images with several channels."""
    return (
        x.ndim == 4
        and x.is_floating_point()
        and CHANNELS[0] <= x.shape[1] <= CHANNELS[1]
        and min(x.shape[2:]) >= _SMALLEST
        and x.shape[0] > 0
    )


def image_echoes(images: Tensor) -> Tensor:
    """Correlate what differs between neighbors with what does a few pixels further on.

    Where the numbers of one pixel, such as red, green and blue, stand side by side in a
    row, the step from red to green comes again at the next pixel, which is as many
    places further on as there are channels; and the steps between sum to little, so
    that they are opposed. In a row of pixels no such distance is special.

    Args:
        images: Shape `(samples, channels, height, width)`.

    Returns:
        Four correlations, each the median over images: in a row, as many places apart
        as there are channels; the largest of those less far apart; down a column, so
        many rows apart; the largest of those less far apart, without its sign. nan if
        the images are all of one color.

    Example:
        >>> numbers = torch.Generator().manual_seed(0)
        >>> color = torch.randn(8, 1, 1, 3, generator=numbers)
        >>> light = 0.1 * torch.randn(8, 16, 16, 1, generator=numbers).cumsum(2)
        >>> image = color + light
        >>> bool(image_echoes(image.reshape(8, 3, 16, 16))[0] > 0.9)
        True
        >>> bool(image_echoes(image.permute(0, 3, 1, 2))[0] < 0.5)
        True
    """
    top, left = (max(0, side - _SIDE) // 2 for side in images.shape[2:])
    few = images[:_SAMPLES, :, top : top + _SIDE, left : left + _SIDE].double()
    steps = few.diff(dim=3)
    channels = images.shape[1]
    across = [_echo(steps, 3, apart) for apart in range(1, channels + 1)]
    down = [_echo(steps, 2, apart) for apart in range(1, channels + 1)]
    found = torch.stack(
        (
            across[-1],
            torch.stack(across[:-1]).amax(0),
            down[-1],
            torch.stack(down[:-1]).abs().amax(0),
        )
    )
    return found.nanmedian(dim=1).values


def _echo(steps: Tensor, axis: int, apart: int) -> Tensor:
    """Correlation of each image's steps with those so many places further on."""
    size = steps.shape[axis] - apart
    here = steps.narrow(axis, 0, size).flatten(1)
    there = steps.narrow(axis, apart, size).flatten(1)
    both = here.square().sum(1) * there.square().sum(1)
    return (here * there).sum(1) / both.sqrt()  # nan for one color
