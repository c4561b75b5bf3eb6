"""Handwritten digits: MNIST from a folder, or the 8×8 ones that scikit-learn ships."""

import gzip
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reluctant.records import UsageError

VARIABLE = "RELUCTANT_DATA"
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Digits:
    """Images and what they show.

    Attributes:
        name: As a reader knows the data.
        train_x: Shape `(samples, pixels)`, in [0, 1].
        train_y: Shape `(samples,)`, 0 to 9.
        test_x: Shape `(samples, pixels)`.
        test_y: Shape `(samples,)`.
        side: Pixels in a row of an image.
        head_bias: Where the biases of the output layer begin. Zero, as it was asked;
            on the 8×8 digits 0.1, the share of each digit: their faint signal otherwise
            silences some outputs in the first steps, for half of the seeds and at any
            learning rate, which would hide what the learning rate does.
    """

    name: str
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    side: int
    head_bias: float = 0.0

    def __post_init__(self) -> None:
        rows = [np.flatnonzero(row) for row in self.train_x]
        filled = sum(map(len, rows)) / max(1, self.train_x.size)
        # below a third, reading only what is not zero is the faster way
        pairs: list[tuple[NDArray[np.int64] | slice, NDArray[np.float32]]] = [
            (where, row[where]) if filled < 1 / 3 else (slice(None), row)
            for where, row in zip(rows, self.train_x, strict=True)
        ]
        object.__setattr__(self, "_pairs", pairs)

    @property
    def inputs(self) -> int:
        """Pixels of an image."""
        return int(self.train_x.shape[1])

    def sparse(
        self, index: int
    ) -> tuple[NDArray[np.int64] | slice, NDArray[np.float32]]:
        """One training image: which pixels to read, and their values."""
        pair: tuple[NDArray[np.int64] | slice, NDArray[np.float32]]
        pair = self._pairs[index]  # type: ignore[attr-defined]
        return pair


def load_digits(folder: Path | None = None) -> Digits:
    """MNIST if there is a folder for it, else the digits that ship with scikit-learn.

    Args:
        folder: With the four IDX files of MNIST, gzipped or not. Left out, the
            environment variable RELUCTANT_DATA names it.

    Raises:
        UsageError: If the folder or a file in it is missing or damaged, or neither a
            folder nor scikit-learn is there.
    """
    if folder is None and (named := os.environ.get(VARIABLE)):
        folder = Path(named)
    return _mnist(folder) if folder is not None else _small()


def _small() -> Digits:
    try:
        from sklearn.datasets import load_digits as bundled
    except ImportError:
        raise UsageError(
            "the 8×8 digits ship with scikit-learn, which is not installed: "
            "pip install 'reluctant[lab]', or give a folder with MNIST by --data."
        ) from None
    x, y = bundled(return_X_y=True)
    order = np.random.default_rng(0).permutation(
        len(x)
    )  # the same split for every seed
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    cut = len(x) * 4 // 5
    return Digits("8×8 digits", x[:cut], y[:cut], x[cut:], y[cut:], 8, 0.1)


def _mnist(folder: Path) -> Digits:
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}: --data (or {VARIABLE}) names one with "
            f"{_FILES[0]}.gz and the other three files of MNIST."
        )
    paths = [_find(folder, name) for name in _FILES]
    missing = [name for name, path in zip(_FILES, paths, strict=True) if path is None]
    if missing:
        raise UsageError(
            f"{folder} lacks {', '.join(missing)} (.gz or not): MNIST is four files."
        )
    train_x, train_y, test_x, test_y = (read_idx(p) for p in paths if p is not None)
    for images, labels, part in (
        (train_x, train_y, "training"),
        (test_x, test_y, "test"),
    ):
        if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max() > 9:
            raise UsageError(
                f"the {part} files in {folder} do not belong together: images have "
                f"shape {images.shape}, labels {labels.shape}, up to {labels.max()}."
            )
    return Digits(
        "MNIST",
        _flat(train_x),
        train_y.astype(np.int64),
        _flat(test_x),
        test_y.astype(np.int64),
        train_x.shape[2],
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of bytes, gzipped if its name says so.

    Raises:
        UsageError: If it is no such file, or shorter than it says.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] not in (1, 3):
        raise UsageError(f"{path} is no IDX file of bytes: it begins {content[:4]!r}.")
    axes, head = content[3], 4 + 4 * content[3]
    shape = struct.unpack(f">{axes}I", content[4:head]) if len(content) >= head else ()
    expected = head + int(np.prod(shape, dtype=np.int64))
    if not shape or len(content) != expected:
        raise UsageError(
            f"{path} holds {len(content):,} bytes, but its header {shape} asks for "
            f"{expected:,}: it was cut or damaged."
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _find(folder: Path, name: str) -> Path | None:
    both = (folder / f"{name}.gz", folder / name)
    return next((path for path in both if path.is_file()), None)


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
