"""The report: what notebooks show, what becomes of it, and what is refused."""

import json
import re
import time

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from conftest import filled, pages_of
from nbconvert.exporters import get_exporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workbook.report import __main__ as cli
from workbook.report import cost, display, notice, say, setup, show_figure, show_table
from workbook.report.build import build, merge
from workbook.report.exporter import FILES, ReportHTMLExporter, ReportPDFExporter
from workbook.report.notebook import ReportError

STAND_IN = "Stand-in images, not CIFAR-10."
ERROR = [new_output("error", ename="ValueError", evalue="bad seed\n7", traceback=[])]


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed, as outputs of a notebook."""
    outputs = []

    def keep(data, metadata=None, raw=True):
        outputs.append(new_output("display_data", data, metadata=metadata or {}))

    monkeypatch.setattr(display, "display", keep)
    monkeypatch.setattr(display, "_notice", "")
    return outputs


def executed(source="1", outputs=(), count=1):
    return new_code_cell(source, outputs=list(outputs), execution_count=count)


def write(path, *cells):
    """Write a notebook; texts are Markdown cells."""
    cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def source(*notebooks, folder):
    """Return the Typst text of a report."""
    exporter = ReportPDFExporter()
    markdown, resources = super(ReportPDFExporter, exporter).from_notebook_node(merge(notebooks))
    return exporter.pandoc(markdown, resources, "typst-citations", folder, f"--template={FILES}/report.typ")


def curve():
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, 1], [1, 0])
    return fig


def html(notebooks, folder, **options):
    build(notebooks, folder / "report", figures="figures", **options)
    return (folder / "report.html").read_text("utf-8")


# ---- display ----------------------------------------------------------------------------------------


def test_figure_carries_its_caption(shown):
    show_figure(curve(), "cost", "Cost of $W$.", alt="A falling line.", width="50%")
    picture, caption = shown
    assert picture.metadata["report"] == {
        "label": "fig-cost", "caption": "Cost of $W$.", "alt": "A falling line.", "width": "50%"
    }  # fmt: skip
    assert caption.data["text/markdown"] == '<a id="fig-cost"></a>**Figure “cost”:** Cost of $W$.'
    assert not plt.get_fignums()


def test_same_figure_same_bytes(shown):
    show_figure(curve(), "cost", "Cost.")
    show_figure(curve(), "cost", "Cost.")
    assert shown[0].data == shown[2].data


def test_table_formats_missing_values_and_long_texts(shown):
    df = pd.DataFrame({"λ": [1e-3, None], "Net": ["a" * 80, "b"]}, index=pd.Index([1, 2], name="Run"))
    show_table(df, "lambda", "Search.", formats={"λ": "{:.1e}"})
    text = shown[1].data["text/html"]
    assert shown[1].metadata["report"] == {"label": "tbl-lambda", "caption": "Search."}
    assert "<td>1.0e-03</td>" in text and "<td>–</td>" in text and "a" * 80 in text
    assert text.count("<th>") == 3  # the index name is a column head


@pytest.mark.parametrize("name", ["", "Cost", "a_b", "a/b", "fig cost"])
def test_names_are_checked(shown, name):
    with pytest.raises(ValueError, match="lower-case letters, digits and hyphens only"):
        show_table(pd.DataFrame(), name, "")
    with pytest.raises(ValueError, match="lower-case"):
        show_figure(curve(), name, "")
    plt.close("all")


def test_notice_enters_later_captions_until_cleared(shown):
    show_table(pd.DataFrame({"a": [1]}), "one", "Before.")
    notice(STAND_IN)
    show_table(pd.DataFrame({"a": [1]}), "two", "After.")
    notice("")
    show_table(pd.DataFrame({"a": [1]}), "three", "Cleared.")
    captions = [out.metadata["report"]["caption"] for out in shown if "label" in out.metadata["report"]]
    assert captions == ["Before.", f"After. *{STAND_IN}*", "Cleared."]
    assert [out.metadata["report"] for out in shown if "notice" in out.metadata["report"]] == [{"notice": STAND_IN}]


def test_setup_gives_the_course_and_its_notice(shown):
    course = setup("dry", "standin")
    assert course.data == "standin" and course.n_s == 2250 // 150
    style, notice_shown = shown
    assert "<style>" in style.data["text/html"]  # for JupyterLab's dark themes
    assert "Stand-in images" in notice_shown.metadata["report"]["notice"]


def test_references_are_links_in_jupyterlab(shown, tmp_path):
    say("The cost falls (@fig-cost) as [@he2015] says.")
    assert shown[0].data["text/markdown"] == "The cost falls ([Figure “cost”](#fig-cost)) as [@he2015] says."
    show_figure(curve(), "cost", "Cost, see @fig-cost.")
    assert shown[2].data["text/markdown"].endswith("Cost, see [Figure “cost”](#fig-cost).")
    text = re.sub("<[^>]*>", "", html([write(tmp_path / "n.ipynb", "# A", executed("x", shown))], tmp_path))
    assert "The cost falls (Figure·1) as (He et al. 2015) says." in text.replace("\u00a0", "·")


# ---- the report -------------------------------------------------------------------------------------


@pytest.fixture
def two(shown, tmp_path):
    """Two executed notebooks that refer to each other, with a notice each."""
    notice(STAND_IN)
    show_table(pd.DataFrame({"Net": ["A", "B"], "Change": [-1.5, 2.0]}), "scores", "Scores, see @fig-cost.")
    say("The change is **3.5 points** [@ioffe2015].")
    outputs = list(shown)
    shown.clear()
    first = write(
        tmp_path / "a.ipynb",
        "# Abstract\n\nIn short.",
        executed("secret = 1", outputs),
        "# Glance {.unnumbered}\n\nSee [curves](b.ipynb), [elsewhere](../09-other.ipynb), @eq-bn.",
        "::: {#contents}\n:::",
    )
    notice(STAND_IN)
    show_figure(curve(), "cost", "Cost.")
    text = r"""# How fast?
@tbl-scores and @sec-how-fast.
$$\begin{aligned}
\hat{s} &= \gamma \odot \begin{pmatrix} 1 \\ 2 \end{pmatrix} \begin{pmatrix} 1 & 2 \end{pmatrix} \\
\eta &= \begin{cases} 1 & \text{if } t < n_s \\ 0 & \text{else} \end{cases} \cap \mathcal{B} \bigl(|x_1|\bigr)
\end{aligned} \label{eq-bn}$$
"""
    return [first, write(tmp_path / "b.ipynb", executed("x", shown), text)]


def test_labels_resolve_across_notebooks(two, tmp_path):
    text = html(two, tmp_path)
    for link in ('#fig-cost" class="ref">Figure 1', '#tbl-scores" class="ref">Table 1',
                 '#eq-bn" class="ref">Equation 1', '#sec-how-fast" class="ref">Section 1'):  # fmt: skip
        assert link in text.replace("\u00a0", " ")
    assert 'href="#sec-how-fast">curves</a>' in text  # the link to the other notebook
    assert 'href="../notebooks/09-other.ipynb">elsewhere</a>' in text  # and to one that is not in the report
    assert "Ioffe" in text and 'id="ref-ioffe2015"' in text
    assert "−1.5" in text  # a true minus sign
    assert "secret" not in text
    assert re.search(r'class="abstract".*?<p>In short', text, re.S)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_notice_is_on_every_page(two, tmp_path):
    text = html(two, tmp_path)
    assert text.count('class="banner"') == 1
    assert re.search(rf'class="banner" role="note">\s*<p>{STAND_IN}</p>\s*</div>', text)
    typ = source(*two, folder=tmp_path)
    assert f"#let notices = ([{STAND_IN}],)" in typ
    prose = write(tmp_path / "c.ipynb", "# More prose\n\n" + "A sentence of five words. " * 250)
    build([*two, prose], tmp_path / "report")
    pages = pages_of(tmp_path / "report.pdf")
    assert len(pages) == 3 and all(STAND_IN in page for page in pages)
    assert pages[0].count(STAND_IN) == 4  # header, box, captions of the table and of the figure


def test_contents_stand_where_marked(two, tmp_path):
    typ = source(*two, folder=tmp_path)
    assert typ.index("Glance") < typ.rindex("#report-contents") < typ.index("How fast")
    assert source(two[1], folder=tmp_path).count("#report-contents") == 0


def test_formulas_are_mended_for_typst(two, tmp_path):
    typ = source(two[1], folder=tmp_path)
    for part in (
        "hat(s)",
        "dot.o",
        "vec(1",
        "mat(delim",
        'opening", stretch(\\(, size: #120%)',
        '_1  class("normal", bar.v)',
        "inter cal(B)",
        '1 & quad upright("if',
        "<eq-bn>",
    ):
        assert part in typ, part
    assert 'alt: "\\\\begin{aligned}' in typ  # what a screen reader gets


def test_references_of_jupyterlab(two, tmp_path):
    """A link to a label reads well there; the report numbers it, beside the text or in its place."""
    third = write(
        tmp_path / "c.ipynb", "# Last\n\nSee [the curves](#fig-cost), [Table](#tbl-scores), [equation of BN](#eq-bn)."
    )
    text = re.sub("<[^>]*>", "", html([*two, third], tmp_path)).replace("\u00a0", " ")
    assert "See the curves (Figure 1), Table 1, Equation 1." in text
    with pytest.raises(ReportError, match="@fig-none"):
        build([write(tmp_path / "d.ipynb", "# Last\n\n[Figure](#fig-none)")], tmp_path / "report")


def test_what_only_jupyterlab_needs_is_left_out(two, tmp_path):
    """The number of an equation within its notebook, its anchor, the address of a source, the other notebook."""
    text = r"""# Last

Batch normalisation [(Ioffe and Szegedy
2015)](https://proceedings.mlr.press/v37/ioffe15.html) in [its equation](b.ipynb#eq-bn), and <a id="eq-own"></a>

$$ a = b \tag{5.1}\label{eq-own} $$
"""
    page = html([*two, write(tmp_path / "c.ipynb", text)], tmp_path)
    plain = " ".join(re.sub("<[^>]*>", "", page).replace("\u00a0", " ").split())
    assert "Batch normalisation (Ioffe and Szegedy 2015) in its equation (Equation 1), and" in plain
    assert "5.1" not in plain and page.count('id="eq-own"') == 1


def test_lines_end_between_words_only(shown, tmp_path):
    """A number, its spread and its unit stay on one line, in tables too."""
    show_table(pd.DataFrame({"Test / %": ["50 000 images"], "Net": ["a b"]}), "t", "Seen by 50 000 of 10.", index=False)
    together = "50 000 images, -0.3 ± 0.1 points, 95 % of report 002, λ = 0.1"
    text = html([write(tmp_path / "n.ipynb", together, executed("x", shown))], tmp_path)
    assert "50·000 images, −0.3·±·0.1·points, 95·% of report·002, λ·=·0.1" in text.replace("\u00a0", "·")
    assert text.replace("\u00a0", "·").count("50·000") == 3 and "a b" in text


def test_powers_of_ten_are_written_out(shown, tmp_path):
    errors = pd.DataFrame({"Error": [1.5e-7, -2e-10]})
    show_table(errors, "t", "Below 1e-06.", formats={"Error": "{:.1e}"}, index=False)
    typ = source(write(tmp_path / "n.ipynb", "About (3.8e-10), not `1e-3`.", executed("x", shown)), folder=tmp_path)
    typ = re.sub(r'#math.equation\(block: false, numbering: none, alt: "[^"]*", (.*?)\.body\)', r"\1", typ)
    for part in ("About ($3.8 dot.op 10^(- 10)$), not `1e-3`.", "Below $10^(- 6)$.", "align: (right,)",
                 "[$1.5 dot.op 10^(- 7)$]", "[−$2.0 dot.op 10^(- 10)$]"):  # fmt: skip
        assert part in typ, part


def test_page_is_for_everyone(two, tmp_path):
    """Landmarks, heads that say what they head, links to PDF and figures, night."""
    text = html(two, tmp_path)
    assert text.count("<main>") == 1 and '<th style="text-align: right;" scope="col">Change</th>' in text
    assert not re.search(r"<th[^>]*>\s*</th>", text)
    assert 'href="report.pdf"' in text and 'href="figures/cost.svg" class="card"' in text
    assert "prefers-color-scheme: dark" in text and re.search(r'<img[^>]* alt="Cost\."', text)
    outside = re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', text)
    assert outside and all(part.startswith("data:") for part in outside)  # the page needs no other file


def test_figures_are_files(two, tmp_path):
    html(two, tmp_path)
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["cost.png", "cost.svg"]
    assert (tmp_path / "figures/cost.svg").read_text().endswith("</svg>\n")


def test_long_tables_break_and_short_ones_do_not(shown, tmp_path):
    for name, rows in (("x", 30), ("y", 7), ("z", 70)):
        show_table(pd.DataFrame({"Row": [f"{name}{row}" for row in range(rows)]}), name, "Many.", index=False)
    build([write(tmp_path / "n.ipynb", executed("x", shown))], tmp_path / "report", figures="figures")
    pages = [re.findall(r"\b[xyz]\d+", page) for page in pages_of(tmp_path / "report.pdf")]
    rows = [f"{name}{row}" for name, count in (("x", 30), ("y", 7), ("z", 70)) for row in range(count)]
    assert [row for page in pages for row in page] == rows  # none lost under the margin
    assert any({"y0", "y6"} <= set(page) for page in pages) and not any({"z0", "z69"} <= set(page) for page in pages)
    assert all(share > 0.8 for share in filled(tmp_path / "report.pdf")[:-1])


def test_long_texts_get_the_room_that_short_columns_leave(shown, tmp_path):
    show_table(pd.DataFrame({"n": [5, 7], "Why": ["a word " * 20, "b"]}), "wide", "Wide.", index=False)
    show_table(pd.DataFrame({"n": [5, 7], "Why": ["a word", "b"]}), "narrow", "Narrow.", index=False)
    typ = source(write(tmp_path / "n.ipynb", executed("x", shown)), folder=tmp_path)
    first, second = (float(part) for part in re.search(r"columns: \(([\d.]+)%, ([\d.]+)%\)", typ).groups())
    assert first < 10 and first + second == pytest.approx(100)
    assert "columns: 2," in typ  # as wide as it needs


HOSTILE = """\
<script>one()</script> and </style> <img src=x onerror="two()"> `#sys.version`{=typst} \\input{/etc/passwd} #sys
[a](javascript:three()) [b](JAVA&#115;cript:three()) [c]{onclick="four()"} [d](http://d){onclick="five()"} [e](data:x)

<div onclick="six()">d</div>

```{=html}
<script>seven()</script>
```

::: {onclick="eight()"}
div
:::
"""


def test_no_text_can_run_anything(shown, tmp_path):
    """In a cell, in what say and notice show, in a caption, an alternative text and a table; the words remain."""
    caption = "Cap <script>nine()</script> [x](javascript:ten()) #sys.version"
    notice("Beware <script>eleven()</script>")
    say(HOSTILE.replace("one()", "twelve()"))
    show_table(
        pd.DataFrame({"a": ["<script>thirteen()</script>", "```\n\n# No heading", "`#sys.version`{=typst}"]}),
        "t",
        caption,
    )
    show_figure(curve(), "f", caption, alt='"} <script>fourteen()</script>')
    page = html([write(tmp_path / "01-a.ipynb", f"# A {{onclick=x}}\n\n{HOSTILE}", executed(outputs=shown))], tmp_path)
    body = page[page.index("<body>") : page.index("</main>")]
    assert not re.search(
        r"<script|javascript:\w|<[a-z][^>]* on[a-z]+=|<img src=.x|<h1[^>]*>No heading|0\.15\.0", body, re.I
    )
    for number in ("one", "two", "six", "seven", "nine", "eleven", "twelve", "thirteen"):
        assert f"{number}()" in body, "as text"
    pages = " ".join("".join(pages_of(tmp_path / "report.pdf")).split())
    assert "<script>one()</script>" in pages.replace("</script >", "</script>") and "0.15.0" not in pages


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (r"See $\input{/etc/passwd}$ there.", r"a.ipynb, cell 2: formula that cannot be read: \input{/etc/passwd}"),
        (r"$$\input{x} \label{eq-one}$$", r"a.ipynb, cell 2: formula that cannot be read: \input{x}"),
        ("[x](#fig-none)", "a.ipynb, cell 2: no such figure, table, equation, section or source: @fig-none"),
        ("![x](/etc/passwd)", "a.ipynb, cell 2: picture /etc/passwd: only PNG, JPEG, GIF and SVG files"),
        ("![x](http://localhost:1/x.png)", "a.ipynb, cell 2: picture http://localhost:1/x.png: only PNG"),
        ({"caption": r"C $\input{x}$"}, r"a.ipynb, cell 2: formula that cannot be read: \input{x}"),
        ({"caption": ":::"}, "a.ipynb, cell 2: @tbl-one needs a caption of one paragraph"),
        ({"caption": "# Head"}, "a.ipynb, cell 2: @tbl-one needs a caption of one paragraph"),
        ({"caption": ""}, "a.ipynb, cell 2: @tbl-one needs a caption of one paragraph"),
        ({"html": "<p>no table</p>"}, "a.ipynb, cell 2: @tbl-one is no table"),
        ({"label": "fig-../../x"}, "a.ipynb, cell 2: 'fig-../../x' cannot be a label"),
        ({"width": '1%" onload="x()'}, "a.ipynb, cell 2: '1%\" onload=\"x()' cannot be a width"),
        ("<svg onload='x()'/>", "a.ipynb, cell 2: the picture holds a script, or asks for a file from elsewhere"),
        ("<svg><script>x()</script></svg>", "a.ipynb, cell 2: the picture holds a script"),
        ("<svg><image href='http://localhost:1/'/></svg>", "a.ipynb, cell 2: the picture holds a script, or asks"),
    ],
    ids=str,
)
def test_what_is_refused_is_told_with_notebook_and_cell(cell, message, tmp_path):
    if isinstance(cell, dict):
        item = {"label": "tbl-one", "caption": "Caption."} | cell
        data = {"text/html": cell.get("html", "<table><tr><td>1</td></tr></table>")}
        cell = executed(outputs=[new_output("display_data", data, metadata={"report": item})])
    elif cell.startswith("<svg"):
        cell = executed(outputs=[new_output("display_data", {"image/svg+xml": cell})])
    path = write(tmp_path / "a.ipynb", "# First", cell)
    with pytest.raises(ReportError) as caught:
        build([path], tmp_path / "report")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not (tmp_path / "report.pdf").exists()


def test_title_and_author_are_text(tmp_path):
    about = {
        "title": 'T #sys.version "q" <script>a()</script>',
        "author": ['A" + panic("x") + " #sys <b>', "C# \\ dev"],
    }
    (tmp_path / "report.yml").write_text(json.dumps(about))
    page = html([write(tmp_path / "a.ipynb", "# A")], tmp_path)
    assert "<script>a()" not in page and "&lt;script&gt;a()" in page and "0.15.0" not in page


def test_same_bytes_on_rebuild(two, tmp_path):
    first = [path.read_bytes() for path in build(two, tmp_path / "one" / "report")]
    assert [path.read_bytes() for path in build(two, tmp_path / "two" / "report")] == first


def test_code_on_demand(two, tmp_path):
    text = html(two, tmp_path, code=True)
    assert "secret" in text and ">a</code>" in text


def test_order_is_that_of_the_command_line(two):
    assert merge(reversed(two)).cells[0].metadata.notebook == "b"


def test_notebooks_with_the_same_cell_ids_merge_quietly(two, recwarn):
    same = merge([two[0], two[0]])
    nbformat.validate(same)
    assert len({cell.id for cell in same.cells}) == len(same.cells)
    assert not recwarn.list


BAD = {
    "missing reference": (
        ["# A\n\nsee @fig-nope, @nobody1999"],
        'no such .* source: @fig-nope in "A", @nobody1999 in "A"',
    ),
    "duplicate label": (["$$a \\label{eq-a}$$\n\n$$b \\label{eq-a}$$"], "label @eq-a is used twice"),
    "failed cell": (["x", executed("raise", ERROR)], "n.ipynb, cell 2 failed: ValueError: bad seed 7"),
    "unexecuted cell": ([executed(), executed(count=None)], "n.ipynb, cell 2 was not executed"),
    "unreadable formula": (["$$\\frac{1$$"], r"formula that cannot be read: \\frac\{1"),
    "open code block": (["```python\nx = 1"], "n.ipynb, cell 1: a code block is not closed"),
    "missing picture": (["![](nope.png)"], r"nope\.png"),
    "missing glyph": (["😀"], "Typst: .*could not be displayed"),
}


@pytest.mark.parametrize(("cells", "message"), BAD.values(), ids=BAD)
def test_faults_are_one_line_and_replace_nothing(cells, message, tmp_path, capsys):
    for suffix in (".pdf", ".html"):
        (tmp_path / f"report{suffix}").write_text("old")
    notebook = write(tmp_path / "n.ipynb", *cells)
    assert cli.main(["build", str(notebook), "-o", str(tmp_path / "report")]) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: .*{message}.*\n", said), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.ipynb", "report.html", "report.pdf"]
    assert {path.read_text() for path in tmp_path.glob("report.*")} == {"old"}


def test_neither_file_is_replaced_when_one_cannot_be_made(two, tmp_path, monkeypatch):
    def refuse(self, nb, resources):
        raise ReportError("no")

    monkeypatch.setattr(ReportHTMLExporter, "from_notebook_node", refuse)
    with pytest.raises(ReportError):
        build(two, tmp_path / "report")
    assert not list(tmp_path.glob("*report*"))


def test_no_notebook(tmp_path, capsys):
    (tmp_path / "text.ipynb").write_text("text")
    for name, message in (("none.ipynb", "no such notebook"), ("text.ipynb", "is no notebook")):
        assert cli.main(["build", str(tmp_path / name), "-o", str(tmp_path / "report")]) == 1
        assert message in capsys.readouterr().err


def test_entry_points_take_one_notebook(two):
    """References to the report's other notebooks stay readable instead of stopping the conversion."""
    pdf, _ = get_exporter("report")().from_filename(str(two[0]))
    text, _ = get_exporter("report_html")().from_filename(str(two[0]))
    markdown, _ = get_exporter("report_md")().from_filename(str(two[0]))
    assert pdf.startswith(b"%PDF") and b"/StructTreeRoot" in pdf  # tagged
    assert "<strong>@fig-cost</strong>" in text
    assert "::: {#tbl-scores}" in markdown


# ---- execute ----------------------------------------------------------------------------------------

PARAMETERS = "profile = 'quick'  # or full\nseed = 1\neta = 1e-3\nbatch_norm = True\nhidden = [50, 50]"


def parameters(text=PARAMETERS):
    return new_code_cell(text, metadata={"tags": ["parameters"]})


def run(notebook, out, *options):
    flat = [part for name, value in options for part in ("-p", name, value)]
    return cli.main(["execute", str(notebook), "-o", str(out), *flat])


REFUSED = {
    "unknown": ("profil", "full", "no parameter profil; did you mean profile?"),
    "unlike any": ("zzz", "1", "no parameter zzz; its parameters are profile, seed, eta, batch_norm, hidden"),
    "text for int": ("seed", "one", "parameter seed must be int, such as 1, not 'one'"),
    "float for int": ("seed", "1.5", "parameter seed must be int, such as 1, not '1.5'"),
    "int for bool": ("batch_norm", "1", "parameter batch_norm must be bool, such as True, not '1'"),
    "bool for float": ("eta", "True", "parameter eta must be float, such as 0.001, not 'True'"),
}


@pytest.mark.parametrize(("name", "value", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_refused(name, value, message, tmp_path, capsys):
    notebook = write(tmp_path / "n.ipynb", parameters())
    assert run(notebook, tmp_path / "out.ipynb", (name, value)) == 1
    assert capsys.readouterr().err == f"error: {notebook}: {message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["n.ipynb"]


def test_one_parameters_cell_of_literals(tmp_path):
    from workbook.report.parameters import check_parameters

    for cells, message in (
        ([], "exactly one cell must be tagged parameters, not 0"),
        ([parameters(), parameters()], "tagged parameters, not 2"),
        ([parameters("import os")], "may hold only lines like name = 1e-3"),
        ([parameters("a = b")], "may hold only lines like"),
    ):
        with pytest.raises(ReportError, match=message):
            check_parameters(write(tmp_path / "n.ipynb", *cells), {})


def test_texts_become_the_defaults_types(tmp_path):
    from workbook.report.parameters import check_parameters

    typed = {"profile": "1e5", "seed": "7", "eta": "1", "batch_norm": "False", "hidden": "[30]"}
    values = check_parameters(write(tmp_path / "n.ipynb", parameters()), typed)
    assert values == {"profile": "1e5", "seed": 7, "eta": 1.0, "batch_norm": False, "hidden": [30]}
    assert type(values["eta"]) is float


def test_execute_writes_the_notebook_when_all_is_well(tmp_path, capsys):
    use = new_code_cell("import os, sys\nprint(seed + 1, os.getcwd())\nprint('half way', file=sys.stderr)")
    notebook = write(tmp_path / "n.ipynb", parameters(), use)
    out = tmp_path / "build" / "n.ipynb"
    assert run(notebook, out, ("seed", "41")) == 0
    said = capsys.readouterr()
    assert re.fullmatch(rf"{out}: \d+\.\d s\n", said.out)
    assert said.err == f"42 {tmp_path}\nhalf way\n"  # live, and nothing else
    assert "papermill" not in out.read_text()
    assert [path for path in out.parent.rglob("*") if path.is_file()] == [out]


def test_a_failed_notebook_is_kept_apart(tmp_path, capsys):
    broken = new_code_cell("raise ValueError(f'bad seed {seed}')")
    notebook = write(tmp_path / "n.ipynb", "text", parameters(), broken)
    out = tmp_path / "build" / "n.ipynb"
    out.parent.mkdir()
    out.write_text("from an earlier run")
    assert run(notebook, out, ("seed", "7")) == 1
    failed = out.parent / "failed" / "n.ipynb"
    where = """at "raise ValueError(f'bad seed {seed}')\""""
    line = f"error: n, cell 3 failed {where}: ValueError: bad seed 7 (see {failed})\n"
    assert capsys.readouterr().err == line
    assert not out.exists()
    assert "bad seed" in failed.read_text()


# ---- cost -------------------------------------------------------------------------------------------


def test_a_build_says_what_it_trained(pictures, monkeypatch, tmp_path):
    """Of what is stored, only what was trained since the build began."""
    monkeypatch.setattr(cost, "BEGUN", tmp_path / "build" / "begun.json")
    monkeypatch.setattr(cost.data, "load", lambda name: pictures)
    assert cost.build_cost("standin") == {}  # no build
    cost.begin()
    begun = json.loads(cost.BEGUN.read_text())
    assert begun["rate"] > 0
    cost.BEGUN.write_text(json.dumps({"time": time.time() - 120, "rate": 50.0}))
    dates = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago)) for ago in (300, 60, 30)]
    stored = [{"run": {"date": date, "experiment": {}}} for date in dates]
    monkeypatch.setattr(cost.store, "current", lambda code, fingerprint: stored)
    monkeypatch.setattr(cost.cost, "total", lambda records: 1.5e12 * len(records))
    monkeypatch.setattr(cost, "CPU_COUNT", 2)
    told = cost.build_cost("standin")
    assert told == {
        "Networks trained": "2", "Wall time": "2.0 min", "Arithmetic": "3 TFLOP", "One core's rate": "50 GFLOP/s",
        "Cores": "2", "Share": "25 %",
    }  # fmt: skip
    monkeypatch.setenv("SCHEDULER", "tcp://10.0.0.1:8786")
    assert "Share" not in cost.build_cost("standin")
