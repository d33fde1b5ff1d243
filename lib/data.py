"""The images: find or fetch CIFAR-10, verify and read it.

Pixels stay uint8 in one memory-mapped file that all processes share (184 MB); lib.nn.splits gathers and normalises one
minibatch at a time, which takes no longer than gathering stored floats would. If CIFAR-10 cannot be found or
downloaded, there is a stand-in: 60 000 pictures of the same shape, drawn from a fixed seed.
"""

import contextlib
import functools
import hashlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib import cifar, standin
from lib.choices import check_choice
from lib.cifar import FILES, PIXELS, DataError, why

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_FILE = 10_000
ARCHIVE = cifar.ARCHIVES[0]
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
TIMEOUT = (5, 60)  # seconds of a download: to connect, and between packets


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of one data set: five training files in order, then the test file."""

    name: str  # "cifar10" or "standin"
    pixels: np.ndarray = field(repr=False)  # (60000, 3072) uint8, read-only memmap, CIFAR order
    labels: np.ndarray = field(repr=False)  # (60000,) uint8
    fingerprint: str  # first 16 hex digits of the SHA-256 of pixels and labels
    where: str  # for the reader: the folder it came from, or the seed

    @property
    def per_file(self):
        """The number of images in each of the six files."""
        return len(self.labels) // len(FILES)


def load(name="auto"):
    """Return the Dataset "cifar10" or "standin"; "auto" is CIFAR-10 if it is available and else the stand-in.

    CIFAR-10 is looked for in ``$CIFAR10_DIR``, or else in the user cache (``pooch.os_cache("cifar10-workbook")``), as
    ``cifar-10-batches-bin``, ``cifar-10-batches-py`` or the archive of either. If it is not there, it is downloaded
    (``$CIFAR10_URL`` names a mirror) and its SHA-256 verified. When "auto" falls back to the stand-in it says so on
    stderr. Raises ValueError for an unknown name and DataError, even with "auto", for a ``$CIFAR10_DIR`` without
    CIFAR-10 and for damaged files.

    Source: A. Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html
    """
    check_choice("data", name, ("auto", "cifar10", "standin"))
    if name != "standin":
        files = _locate()
        if not files:
            archive, failure = _download(os.environ.get("CIFAR10_URL") or URL, SHA256, _writable_cache())
            files = [archive] if archive else []
        if files:
            identity, where = cifar.identity(files, PER_FILE), str(files[0].parent)
            return _prepared("cifar10", identity, where, lambda: cifar.read(files, PER_FILE, _writable_cache()))
        message = f"no CIFAR-10: {failure}; name its folder in CIFAR10_DIR or a mirror in CIFAR10_URL"
        if name == "cifar10":
            raise DataError(message)
        print(f"{message}. Using the stand-in instead.", file=sys.stderr)
    # Other drawing code, or a NumPy with another random stream, makes another data set.
    identity = [inspect.getsource(standin), np.__version__, PER_FILE]
    return _prepared("standin", identity, "drawn from seed 0", functools.partial(standin.draw, PER_FILE))


def _locate():
    """Return the files of CIFAR-10 that the user has: six, or one archive, or none."""
    if given := os.environ.get("CIFAR10_DIR"):
        if files := cifar.find(Path(given)):
            return files
        raise DataError(f"CIFAR10_DIR={given} holds no cifar-10-batches-bin or -py: correct it or unset it")
    return next(filter(None, map(cifar.find, _caches())), [])


@functools.cache  # one attempt for each process
def _download(url, sha256, folder):
    """Return (the path of the archive, None), or (None, why it could not be fetched)."""
    import pooch  # here, because importing it takes longer than opening a data set that has been prepared

    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT)
    for attempts_left in (2, 1, 0):
        try:
            return Path(pooch.retrieve(url, f"sha256:{sha256}", ARCHIVE, folder, downloader=fetch)), None
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            failure = f"{url} gave {type(error).__name__}, {str(error).split(':')[0]}"
            broken = type(error).__name__ == "ChunkedEncodingError" or "Read timed out" in str(error)
            if not broken or not attempts_left:
                return None, failure
            print(f"\n{failure}; starting over", file=sys.stderr)


def _caches():
    """Return the folders that may hold prepared data: the user cache, and one in the temporary folder."""
    import platformdirs  # as pooch.os_cache does; importing pooch would take longer

    shared = Path(tempfile.gettempdir()) / f"cifar10-workbook-{os.getuid()}"
    ours = not shared.exists() or shared.stat().st_uid == os.getuid()
    return [Path(platformdirs.user_cache_dir("cifar10-workbook")), *([shared] if ours else [])]


def _writable_cache():
    for cache in _caches():
        try:
            cache.mkdir(0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=cache).close()
            return cache
        except OSError:
            continue
    raise DataError("neither the user cache nor the temporary folder is writable: set XDG_CACHE_HOME to one that is")


def _prepared(name, identity, where, blocks):
    """Open the data set prepared from ``identity``; where there is none, or a damaged one, make it of ``blocks()``."""
    folder = f"{name}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"
    whole = next((cache / folder for cache in _caches() if os.path.isdir(cache / folder)), None)
    for _ in range(2):
        whole = whole or _make(folder, blocks)
        files = [whole / file for file in ("about.json", "pixels.npy", "labels.npy")]
        try:
            return _open(name, where, tuple((file, file.stat().st_mtime_ns) for file in files))
        except Exception as error:  # a damaged file can raise anything
            damage = f"{whole} is damaged ({why(error)})"
            if isinstance(error, OSError | MemoryError) and not isinstance(error, FileNotFoundError):
                break  # a lack of memory or of file handles is not its fault
        print(f"{damage}: it is made again", file=sys.stderr)
        shutil.rmtree(whole, ignore_errors=True)
        whole = None
    raise DataError(f"{damage}: delete it and run again")


def _make(folder, blocks):
    """Write a data set and return its folder.

    It is written under a temporary name and renamed when it is complete, so that neither a killed process nor several
    processes at once can leave a folder that only looks complete.
    """
    cache = _writable_cache()
    with contextlib.suppress(OSError):  # another process may be cleaning up too
        for left in cache.glob("tmp-*"):  # left by killed processes
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
    temporary, whole = Path(tempfile.mkdtemp(prefix="tmp-", dir=cache)), cache / folder
    try:
        _write(temporary, blocks())
        os.rename(temporary, whole)
    except OSError as error:
        if not whole.is_dir():  # otherwise another process was first
            raise DataError(f"{whole} cannot be written ({error.strerror}): make room there") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return whole


# Each result's name asks for the data; opened anew each time, it would use up the file handles, and each time it is
# read from end to end: 184 MB take 0.13 s on a processor with SHA instructions.
@functools.lru_cache(4)
def _open(name, where, files):
    """Return the Dataset in prepared files, [(path, time of last change), ...]. Raises anything if one is damaged."""
    (about, _), (pixels, _), (labels, _) = files
    fingerprint = json.loads(about.read_text())["fingerprint"]
    pixels, labels = np.load(pixels, "r"), np.load(labels, "r")
    found, n = hashlib.sha256(pixels), len(FILES) * PER_FILE
    found.update(labels)
    if found.hexdigest()[:16] != fingerprint:
        raise ValueError("its fingerprint is that of other images")
    if (pixels.shape, labels.shape, pixels.dtype, labels.dtype) != ((n, PIXELS), (n,), np.uint8, np.uint8):
        raise ValueError(f"pixels {pixels.shape} {pixels.dtype}, labels {labels.shape} {labels.dtype}")
    return Dataset(name, pixels, labels, fingerprint, where)


def _write(folder, blocks):
    """Write blocks of pixels and labels as ``pixels.npy`` and ``labels.npy``, with the fingerprint of both."""
    digest, all_labels = hashlib.sha256(), []
    with open(folder / "pixels.npy", "wb") as file:  # not a memmap, with which a full disk crashes the process
        shape = {"descr": "|u1", "fortran_order": False, "shape": (len(FILES) * PER_FILE, PIXELS)}
        np.lib.format.write_array_header_1_0(file, shape)
        for pixels, labels in blocks:
            data = np.ascontiguousarray(pixels)
            file.write(data)
            digest.update(data)
            all_labels.append(labels)
    labels = np.concatenate(all_labels)
    np.save(folder / "labels.npy", labels)
    digest.update(labels)
    (folder / "about.json").write_text(json.dumps({"fingerprint": digest.hexdigest()[:16]}))
