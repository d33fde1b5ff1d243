"""``make scheduler`` and ``make workers``: Dask's own programs, once what they are given is right.

python -m workbook.runs.machines scheduler HOST | workers tcp://HOST:8786 NUMBER
"""

import os
import re
import socket
import subprocess
import sys
import time

from workbook.runs.cluster import ClusterError

PORT = 8786
DASK = [sys.executable, "-m", "dask"]


def scheduler(host):
    """Become a Dask scheduler that listens at a host. Raises ClusterError if it cannot."""
    try:
        socket.create_server((host, PORT)).close()
    except OSError as error:
        why = "there is no such host" if isinstance(error, socket.gaierror) else error.strerror
        raise ClusterError(f"HOST={host}: nobody can listen at port {PORT} there ({why})") from None
    os.execv(sys.executable, [*DASK, "scheduler", "--host", host, "--port", str(PORT)])


def workers(address, number):
    """Run ``number`` worker processes for a scheduler, -1 for one a core, again whenever they end with theirs.

    The nanny that watches over a worker imports workbook for what it sets in the environment. Without it a worker
    trains 2.5 times slower, and may round differently from the other machines. Raises ClusterError.
    """
    if not (match := re.fullmatch(r"(?:tcp|tls)://(\[.+\]|[^:/]+):(\d+)", address)):
        raise ClusterError(f"SCHEDULER={address!r}: say whose workers, such as SCHEDULER=tcp://10.0.0.1:{PORT}")
    if not re.fullmatch(r"-1|[1-9]\d*", number):
        raise ClusterError(f"WORKERS={number}: must be a number of processes, or -1 for one a core")
    try:
        socket.getaddrinfo(match[1].strip("[]"), int(match[2]))
    except (OSError, OverflowError) as error:
        raise ClusterError(f"SCHEDULER={address}: there is no such host ({error})") from None
    options = ["--nthreads", "1", "--preload-nanny", "workbook", "--no-dashboard", "--death-timeout", "60"]
    while True:
        subprocess.run([*DASK, "worker", address, "--nworkers", number, *options])
        time.sleep(5)


def main(command, *arguments):
    """Run the command line; return the exit status."""
    try:
        {"scheduler": scheduler, "workers": workers}[command](*arguments)
    except ClusterError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
