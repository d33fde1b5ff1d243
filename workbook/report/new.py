"""The next numbered notebook, from a template that runs: python -m workbook.report.new "What does dropout do?"."""

import re
import sys
from pathlib import Path

from .notebook import ReportError

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(__file__).parent / "templates" / "section.ipynb"


def new(title, folder=ROOT / "notebooks"):
    """Write the next section, NN-title.ipynb, and return its path; `make report` finds it there.

    Its figure is named after it, so that no two sections have one of the same name. Raises ReportError for a title
    without a letter or with several lines, and when the numbers end at 99.
    """
    words = re.findall("[a-z0-9]+", title.lower().replace("'", ""))
    if not re.search("[A-Za-z]", title) or "\n" in title:
        raise ReportError('say what it is about, in one line: make new TITLE="What does dropout do?"')
    number = 1 + max((int(path.name[:2]) for path in folder.glob("[0-9][0-9]-*.ipynb")), default=-1)
    if number > 99:
        raise ReportError(f"{folder} has a section 99, and sections have two digits")
    name = "-".join(words)[:40].strip("-")
    path = folder / f"{number:02d}-{name}.ipynb"
    written = title.strip().replace("\\", "\\\\").replace('"', '\\"')  # inside a string of JSON
    path.write_text(TEMPLATE.read_text("utf-8").replace("NAME", name).replace("TITLE", written), "utf-8")
    return path


def main(arguments):
    """Make a section with the title of the first argument; return the exit status."""
    try:
        print(new(*arguments[:1] or [""]))
    except ReportError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
