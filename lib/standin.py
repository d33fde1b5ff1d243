"""The stand-in: 60 000 pictures of the shape of CIFAR-10, drawn from a fixed seed, hard but not hopeless."""

import numpy as np

#: a silhouette for each class: 16 rows of 16 bits
SPRITES = (
    "00000180018003c003c003c00ff03ffc7ffefffe03c003c0018007e00ff00000",
    "00000000000007e00c30183830187ffeffffffffffff67e63c3c3c3c18180000",
    "00000e001f007f001f021f8e0ffc0ff80ff007e003c001400140014003600000",
    "208031803f802e823f861f040e0c0ff80ffc1ffc1ffc1ffc1bb81b98199c0000",
    "51405b403b800e003e007e001e000f000ffc0ffe0ffc0ff80c380a280a280a28",
    "00001e003f007f82fd827d861d8c1ff81ff81ff81ff81c783838181838380000",
    "0000000018303c782c683ff87ffc7ffc600c3ff87ffcf7dee7ce7bbcf29e0000",
    "00280038007c00fe01fb01f07fe0fff0bff0bff0bff038f03050304828482840",
    "00000080008000e003f002b00ff80aa80ff8ffff7ffe7ffc3ff81ff000000000",
    "00000000ffc0ffc0ffdcffdeffd2ffd3ffdfffffffffffff701cf83e701c0000",
)


def draw(per_file):
    """Draw the stand-in: yield pixels (n, 3072) uint8 and labels (n,) uint8, 6 * per_file images in all.

    The classes are balanced and in random order. A picture is a smooth colour field with a trace of its class, on it a
    small sprite of any class and a larger one of its own, at any place, size, direction and colour; then contrast,
    brightness and noise. All numbers are whole, even in the floating-point product (below 2²⁴), so that every machine
    draws the same bytes.
    """
    rng = np.random.default_rng(0)
    every = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), 6 * per_file // 10))
    bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(SPRITES)), np.uint8)).reshape(10, 16, 16)
    sprites = np.pad(bits.repeat(3, 1).repeat(3, 2), ((0, 0), (8, 8), (8, 8))).astype(np.int16)
    sprites = sum(np.roll(sprites, (i // 4, i % 4), (1, 2)) for i in range(16))  # soft edges, from 0 to 16
    waves = np.rint(16 * np.cos(np.outer(np.arange(4), np.pi * (np.arange(32) + 0.5) / 32)))
    waves = np.einsum("ax,by->abxy", waves, waves).reshape(16, 1024).astype(np.float32)
    damping = np.outer([8, 6, 4, 3], [8, 6, 4, 3]).ravel()  # slow waves are strong
    class_field, class_ink = rng.integers(-4, 5, (10, 3, 16)), rng.integers(-30, 31, (10, 3))
    for start in range(0, len(every), 2000):
        labels = every[start : start + 2000]
        n = len(labels)
        field = (rng.integers(-16, 17, (2, n, 3, 16)).sum(0) + class_field[labels]) * damping
        image = (field.reshape(-1, 16).astype(np.float32) @ waves).astype(np.int32) >> 13
        image = image.astype(np.int16).reshape(n, 3, 32, 32)
        clutter = rng.integers(0, 10, n)
        for who, ink, smallest, largest in ((clutter, 0, 96, 160), (labels, class_ink[labels], 48, 80)):
            stretch, centre = rng.integers(smallest, largest, (2, n, 1)), rng.integers(-7, 8, (2, n, 1))
            stretch[1] *= rng.choice([-1, 1], (n, 1))  # facing left or right
            row, column = np.clip(((np.arange(-16, 16) - centre) * stretch >> 5) + 32, 0, 63)
            cover = sprites[who[:, None, None], row[:, :, None], column[:, None, :]][:, None]
            ink = (ink + rng.integers(-70, 71, (2, n, 3)).sum(0)).astype(np.int16)[:, :, None, None]
            image += (ink - image) * cover >> 4
        image = np.clip(image, -400, 400) * rng.integers(20, 45, (n, 1, 1, 1), np.int16) >> 5  # contrast
        image += rng.integers(90, 166, (n, 1, 1, 1), np.int16)  # brightness
        image += rng.integers(-24, 25, image.shape, np.int8)
        yield np.clip(image, 0, 255).astype(np.uint8).reshape(n, 3072), labels
