"""python -m workbook.claims check FILE.yml | train FILE.yml ..."""

import signal
import sys

from workbook.claims.check import main

if __name__ == "__main__":
    for signum in (signal.SIGTERM, signal.SIGHUP):  # the end of a batch job or of an ssh session
        signal.signal(signum, signal.default_int_handler)
    sys.exit(main())
