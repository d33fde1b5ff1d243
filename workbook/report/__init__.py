"""What a notebook shows to the report, and (``python -m workbook.report``) the report made of it."""

from .display import notice, record, say, setup, show_figure, show_table

__all__ = ["notice", "record", "say", "setup", "show_figure", "show_table"]
