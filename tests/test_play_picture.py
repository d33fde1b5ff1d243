"""A picture of one's own: any size becomes 32 x 32, and what is no picture becomes one sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from workbook.play import picture


def saved(image, kind="PNG"):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("size", [(32, 32), (1, 1), (500, 40), (33, 900)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_any_size_becomes_32_by_32(size, kind):
    pixels = picture.read(saved(Image.new("RGB", size, (200, 100, 50)), kind))
    assert pixels.shape == (3072,) and pixels.dtype == np.uint8
    assert np.abs(pixels.reshape(3, 1024).mean(axis=1) - (200, 100, 50)).max() < 5


def test_the_order_is_that_of_cifar():
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(picture.read(saved(Image.fromarray(rgb))), rgb.transpose(2, 0, 1).ravel())


def test_transparent_is_white_and_the_middle_is_taken():
    assert picture.read(saved(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))).min() == 255
    wide = Image.new("L", (96, 32), 0)
    wide.paste(255, (32, 0, 64, 32))
    assert picture.read(saved(wide)).min() == 255


def bomb(width, height):
    """A PNG of some bytes that says that it has so many pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "no picture that can be read"),
        (b"hello", "no picture that can be read"),
        (saved(Image.effect_noise((64, 64), 90))[:1000], "no picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture that can be read"),
        (bomb(60_000, 60_000), "larger than 50 million pixels; choose a smaller one"),
        (bomb(8_000, 8_000), "larger than 50 million pixels; choose a smaller one"),
        (b"\0" * 20_000_001, "20 MB; choose a picture of at most 20 MB"),
    ],
)
def test_what_is_no_picture_is_one_sentence(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        picture.read(content)
