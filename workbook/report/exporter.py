"""nbconvert exporters: executed notebook -> pandoc Markdown -> Typst -> PDF, and -> HTML.

``templates/report`` says what enters the report (``index.md.j2``), how it is numbered and linked (``report.lua``) and
how it looks (``report.typ``, ``report.html``, ``report.css``). pandoc and Typst come as wheels (pypandoc_binary,
typst): no TeX, no browser, no network.
"""

import copy
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pypandoc
import typst
from nbconvert.exporters import TemplateExporter
from traitlets import Bool, Unicode, default
from traitlets.config import Config

from .notebook import ReportError

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parent / "templates"
FILES = TEMPLATES / "report"

#: pandoc's Markdown, set to read what JupyterLab shows; HTML, and raw text for Typst, are no more than text
MARKDOWN = (
    "markdown+lists_without_preceding_blankline-blank_before_header-blank_before_blockquote"
    "+autolink_bare_uris+tex_math_double_backslash-raw_html-native_divs-native_spans-raw_attribute"
)
#: Accessible (every formula and picture has a text) and archival; Typst refuses what breaks either
PDF_STANDARDS = ["ua-1", "a-2a"]

#: The last line of a paragraph right above a table, which JupyterLab shows as a table all the same
ABOVE_TABLE = re.compile(r"^(?!\s*\|)(.*\S.*)\n(?=\s*\|.*\n\s*\|?[\s:|-]+\n)", re.M)

#: A head without a text, which screen readers would announce
EMPTY_HEAD = re.compile(r"<th(?:\s[^>]*)?>\s*</th>")

#: What a picture may not hold: SVG can run scripts, and ask other machines for files
ACTIVE = re.compile(
    r"<(script|foreignObject|iframe|!ENTITY)|\son\w+\s*=|javascript:|(href|src)\s*=\s*[\"']?\w+://", re.I
)


def checked(nb):
    """Return a copy with Markdown evened out; raises ReportError where a cell failed, was not executed or is unsafe."""
    nb = copy.deepcopy(nb)
    for number, cell in enumerate(nb.cells, 1):
        where = cell.metadata.get("where", f"cell {number}")
        if cell.cell_type == "markdown":
            if len(re.findall(r"^\s*```", cell.source, re.M)) % 2:
                raise ReportError(f"{where}: a code block is not closed")
            cell.source = ABOVE_TABLE.sub(r"\1\n\n", cell.source)
        elif cell.cell_type == "code" and cell.source.strip():
            may_fail = "raises-exception" in cell.metadata.get("tags", [])
            for output in cell.outputs:
                if output.output_type == "error" and not may_fail:
                    raise ReportError(f"{where} failed: {output.ename}: {' '.join(output.evalue.split())}")
                _check_output(output, where)
            if cell.execution_count is None:
                raise ReportError(f"{where} was not executed")
    return nb


def _check_output(output, where):
    """Raise ReportError for what no notebook of ours shows: code in a picture, a caption or a label that is none."""
    item = output.get("metadata", {}).get("report", {})
    if not re.fullmatch("((fig|tbl)-[a-z0-9-]+)?", item.get("label", "")):
        raise ReportError(f"{where}: {item['label']!r} cannot be a label")
    if not re.fullmatch(r"([\d.]+(%|cm|mm|in|px))?", item.get("width", "")):
        raise ReportError(f"{where}: {item['width']!r} cannot be a width")
    if ACTIVE.search("".join(output.get("data", {}).get("image/svg+xml", ""))):
        raise ReportError(f"{where}: the picture holds a script, or asks for a file from elsewhere")


def located(nb, message):
    """Return a message about a formula, a label or a picture with the cell that has it."""
    found = re.search(r"cannot be read: (.+)|@([\w-]+)|picture (\S+):", message)
    text = next(filter(None, found.groups())) if found else ""
    for number, cell in enumerate(nb.cells if text else (), 1):
        held = [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", ()):
            report = output.get("metadata", {}).get("report", {})
            held += [
                output.get("data", {}).get("text/markdown", ""),
                report.get("caption", ""),
                report.get("label", ""),
            ]
        if text in " ".join(re.sub(r"\\label\s*{.*?}", "", "\n".join(held)).split()) or f"{{{text}}}" in "".join(held):
            return f"{cell.metadata.get('where', f'cell {number}')}: {message}"
    return message


class ReportExporter(TemplateExporter):
    """Executed notebook -> pandoc Markdown with captioned figures and tables."""

    export_from_notebook = "Report (Markdown)"
    output_mimetype = "text/markdown"

    metadata_file = Unicode(str(ROOT / "reports" / "report.yml"), help="Title, author, links (YAML).").tag(config=True)
    code = Bool(False, help="Append the code of every notebook.").tag(config=True)
    strict = Bool(False, help="Refuse references to labels that do not exist.").tag(config=True)
    figures = Unicode(help="Folder of the figures, relative to the page; empty where there is none.").tag(config=True)

    template_name = Unicode("report").tag(config=True, affects_template=True)
    file_extension = Unicode(".md").tag(config=True)

    template_extension = Unicode(".md.j2").tag(config=True, affects_environment=True)

    @default("extra_template_basedirs")
    def _extra_template_basedirs_default(self):
        return [str(TEMPLATES)]  # inside the package: nothing goes to share/jupyter

    @property
    def default_config(self):
        """nbconvert's defaults, pictures taken out of the notebook, SVG before PNG."""
        ours = {
            "ExtractOutputPreprocessor": {"enabled": True},
            "NbConvertBase": {"display_data_priority": ["image/svg+xml", "image/png", "image/jpeg", "text/html"]},
            "TagRemovePreprocessor": {"remove_cell_tags": ["remove-cell", "exercise"]},
        }
        config = super().default_config.copy()
        config.merge(Config(ours))
        return config

    def from_notebook_node(self, nb, resources=None, **kw):
        """Convert one executed notebook; raises ReportError if it failed or was not executed."""
        resources = self._init_resources(resources)
        resources["code"] = self.code
        self.nb = checked(nb)
        return super().from_notebook_node(self.nb, resources, **kw)

    def pandoc(self, markdown, resources, to, folder, *options):
        """Convert Markdown with pandoc, in ``folder``, where the pictures are put.

        Raises ReportError: an unreadable formula, a missing reference, a label used twice, a missing file.
        """
        for name, data in resources.pop("outputs").items():  # popped: nbconvert would write them as files
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        for bibliography in (ROOT / "reports").glob("*.bib"):
            shutil.copy(bibliography, folder)
        near = Path(resources["metadata"].get("path") or ".").resolve()
        command = [pypandoc.get_pandoc_path(), f"--from={MARKDOWN}", f"--to={to}", "--standalone",
                   "--wrap=preserve", "--columns=9999",  # or long rows would change a table's widths
                   f"--lua-filter={FILES / 'report.lua'}", "--citeproc", "--metadata=link-citations",
                   f"--resource-path=.:{near}", *options]  # fmt: skip
        if not self.strict:
            command.append("--metadata=lax")
        if self.figures:
            command.append(f"--metadata=figures:{self.figures}")
        command.append(f"--metadata-file={Path(self.metadata_file).resolve()}")
        run = subprocess.run(command, cwd=folder, input=markdown.encode(), capture_output=True)
        said = run.stderr.decode().strip()
        if run.returncode:
            said = said.split("stack traceback")[0].split("report.lua:")[-1]
            raise ReportError(located(self.nb, " ".join(said.split())))
        if said:
            self.log.warning("pandoc: %s", said)
        return run.stdout.decode()


class ReportPDFExporter(ReportExporter):
    """Executed notebook -> tagged PDF; created at ``SOURCE_DATE_EPOCH``, or 0, so that bytes repeat."""

    export_from_notebook = "Report (PDF)"
    output_mimetype = "application/pdf"
    file_extension = Unicode(".pdf").tag(config=True)

    def from_notebook_node(self, nb, resources=None, **kw):
        """Convert one executed notebook; raises ReportError if pandoc or Typst refuses something."""
        markdown, resources = super().from_notebook_node(nb, resources, **kw)
        with TemporaryDirectory() as folder:
            source = Path(folder, "report.typ")
            template = f"--template={FILES / 'report.typ'}"
            text = self.pandoc(markdown, resources, "typst-citations", Path(folder), template)
            source.write_text(text, "utf-8")
            try:
                date = int(os.environ.get("SOURCE_DATE_EPOCH", 0))
                how = {"ignore_system_fonts": True, "timestamp": date, "pdf_standards": PDF_STANDARDS}
                pdf, warnings = typst.compile_with_warnings(source, **how)
            except typst.TypstError as error:
                raise ReportError(f"Typst: {error.message}{_excerpt(error)}") from None
        for warning in warnings:
            self.log.warning("typst: %s", warning.message)
        return pdf, resources


def _excerpt(error):
    """Return the source line of which Typst complains: its number alone would say nothing to the reader."""
    line = re.search(r"^ *\d+ │ *(.+)$", error.diagnostic or "", re.M)
    return f", at: {line[1].strip()[:120]}" if line else ""


class ReportHTMLExporter(ReportExporter):
    """Executed notebook -> one self-contained HTML page."""

    export_from_notebook = "Report (HTML)"
    output_mimetype = "text/html"
    file_extension = Unicode(".html").tag(config=True)

    def from_notebook_node(self, nb, resources=None, **kw):
        """Convert one executed notebook; raises ReportError if pandoc refuses something."""
        markdown, resources = super().from_notebook_node(nb, resources, **kw)
        options = ["--mathml", "--toc", "--toc-depth=2", "--number-sections", "--embed-resources",
                   f"--template={FILES / 'report.html'}", f"--css={FILES / 'report.css'}",
                   f"--variable=name:{resources['metadata'].get('name', 'report')}"]  # fmt: skip
        with TemporaryDirectory() as folder:
            page = self.pandoc(markdown, resources, "html5", Path(folder), *options)
        return EMPTY_HEAD.sub("<td></td>", page), resources
