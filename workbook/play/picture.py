"""Reads a picture of one's own, of any size, as the network sees it: 32 x 32 pixels in CIFAR's order."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

MOST_BYTES, MOST_PIXELS = 20_000_000, 50_000_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")


def read(content):
    """Return the picture in a file's bytes as (3072,) uint8: its middle square, shrunk; transparent parts are white.

    Raises ValueError, in one sentence, for anything but a picture of at most 20 MB and 50 million pixels.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"The file has {len(content) / 1e6:.0f} MB; choose a picture of at most 20 MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is judged here
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            picture.draft("RGB", (64, 64))  # a JPEG is read at a lower resolution, which is faster
            picture = ImageOps.exif_transpose(picture).convert("RGBA")
    except Image.DecompressionBombError:
        raise ValueError("The picture is larger than 50 million pixels; choose a smaller one.") from None
    except Exception:  # a damaged file can raise anything
        raise ValueError("This file is no picture that can be read; choose a PNG or a JPEG.") from None
    white = Image.new("RGBA", picture.size, "white")
    square = ImageOps.fit(Image.alpha_composite(white, picture).convert("RGB"), (32, 32), Image.Resampling.BOX)
    return np.asarray(square).transpose(2, 0, 1).reshape(-1).copy()
