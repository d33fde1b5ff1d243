"""Reading a notebook, and the one error that the command line prints as a line without a traceback."""


class ReportError(RuntimeError):
    """A notebook or the report cannot be made; the message is one line that says what to change."""

    def _render_traceback_(self):
        """What a notebook shows below the cell: the line alone."""
        return [str(self)]


def read(path):
    """Return the notebook in a file; raises ReportError if the file is missing or is no notebook."""
    import nbformat  # here, as it takes a while and every notebook imports the error above

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise ReportError(f"{path}: no such notebook") from None
    except nbformat.reader.NotJSONError:
        raise ReportError(f"{path} is no notebook") from None
