"""The images: find or fetch CIFAR-10, verify and read it.

Pixels stay uint8 in one memory-mapped file that all processes share (184 MB); lib.nn.splits gathers and normalises one
minibatch at a time, which takes no longer than gathering stored floats would. If CIFAR-10 cannot be found or
downloaded, there is a stand-in: 60 000 pictures of the same shape, drawn from a fixed seed.

``python -m lib.data [auto|cifar10|standin]`` prepares the data and prints its name and fingerprint.
"""

import contextlib
import functools
import hashlib
import inspect
import io
import json
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib import standin
from lib.choices import check_choice

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3072
PER_FILE = 10_000
FILES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
ARCHIVE = "cifar-10-binary.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


class DataError(RuntimeError):
    """The data is missing or damaged. The message is one line that says what is wrong, where, and what to do."""


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

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    check_choice("data", name, ("auto", "cifar10", "standin"))
    if name != "standin":
        files = _locate()
        if not files:
            archive, failure = _download(os.environ.get("CIFAR10_URL") or URL, SHA256, _writable_cache())
            files = [archive] if archive else []
        if files:
            where = str(files[0].parent)
            return _prepared("cifar10", _identity(files), where, lambda: _read(files))
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
        if files := _find(Path(given)):
            return files
        raise DataError(f"CIFAR10_DIR={given} holds no cifar-10-batches-bin or -py: correct it or unset it")
    return next(filter(None, map(_find, _caches())), [])


def _find(folder):
    """Return the files of CIFAR-10 in ``folder``, if there are any."""
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        for suffix in (".bin", ""):
            files = [place / f"{name}{suffix}" for name in FILES]
            if any(map(os.path.isfile, files)):  # Path.is_file would raise in a folder that we may not read
                return files
    return list(filter(os.path.isfile, (folder / ARCHIVE, folder / "cifar-10-python.tar.gz")))[:1]


@functools.cache  # one attempt for each process
def _download(url, sha256, folder):
    """Return (the path of the archive, None), or (None, why it could not be fetched)."""
    import pooch  # here, because importing it takes longer than opening a data set that has been prepared

    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(progressbar=True, timeout=(5, 60))  # seconds: to connect, and between packets
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", ARCHIVE, folder, downloader=fetch)), None
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        return None, f"{url} gave {type(error).__name__}, {str(error).split(':')[0]}"


def _identity(files):
    try:
        return [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; unpack CIFAR-10 again") from None


def _read(files):
    """Yield pixels (n, 3072) uint8 and labels (n,) uint8 of each file; an archive is unpacked first."""
    if len(files) == 1:
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=_writable_cache()) as scratch:
            try:
                with tarfile.open(files[0]) as archive:
                    archive.extractall(scratch, filter="data")
            except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
                raise DataError(f"{files[0]} cannot be unpacked ({error}): delete it and run again") from None
            unpacked = _find(Path(scratch))
            if len(unpacked) != len(FILES):
                raise DataError(f"{files[0]} holds no CIFAR-10: delete it and run again")
            yield from _read(unpacked)
        return
    for file in files:
        try:
            pixels, labels = _read_binary(file) if file.suffix == ".bin" else _read_pickle(file)
            if pixels.shape != (PER_FILE, PIXELS) or pixels.dtype != np.uint8 or labels.shape != (PER_FILE,):
                raise ValueError(f"pixels {pixels.shape} {pixels.dtype}, labels {labels.shape}")
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
                raise ValueError("labels other than 0 to 9")
        except Exception as error:  # a damaged pickle can raise anything
            raise DataError(f"{file} is damaged ({error}): unpack CIFAR-10 again") from None
        yield pixels, labels.astype(np.uint8)


def _read_binary(file):
    """Return the pixels and labels of a ``.bin`` file: records of one label byte and 3072 pixel bytes."""
    records = np.fromfile(file, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _read_pickle(file):
    """Return the pixels and labels of a file of the Python version: a pickled dict of an array and a list."""
    content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
    return content[b"data"], np.array(content[b"labels"])


class _ArraysOnly(pickle.Unpickler):
    """Allows only what an array is rebuilt from, because unpickling runs whatever code a file asks for."""

    def find_class(self, module, name):
        if (module.replace("numpy._core", "numpy.core"), name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


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
    """Open the data set prepared from ``identity``; the first time, write it from ``blocks()``.

    It is written under a temporary name and renamed when it is complete, so that neither a killed process nor several
    processes at once can leave a folder that only looks complete.
    """
    folder = f"{name}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"
    whole = next((cache / folder for cache in _caches() if os.path.isdir(cache / folder)), None)
    if whole is None:
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
    files = [whole / file for file in ("about.json", "pixels.npy", "labels.npy")]
    try:
        return _open(name, where, tuple((file, file.stat().st_mtime_ns) for file in files))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{whole} is damaged ({error}): delete it and run again") from None


# Each result's name asks for the data; opened anew each time, it would use up the file handles.
@functools.lru_cache(4)
def _open(name, where, files):
    """Return the Dataset in prepared files, [(path, time of last change), ...]."""
    (about, _), (pixels, _), (labels, _) = files
    fingerprint = json.loads(about.read_text())["fingerprint"]
    return Dataset(name, np.load(pixels, "r"), np.load(labels, "r"), fingerprint, where)


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


def main(arguments):
    """Prepare the data set of the first argument (default "auto") and print its name; return the exit status."""
    try:
        dataset = load(*(arguments[:1] or ["auto"]))
    except (DataError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{dataset.where}, fingerprint {dataset.fingerprint}", file=sys.stderr)
    print(dataset.name, dataset.fingerprint)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
