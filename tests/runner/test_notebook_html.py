"""HTML reports: they load nothing, run nothing that came with the data, and show what a reviewer needs."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from recomart.reports import rendering
from recomart.runner import notebook_clean, notebook_html, report

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LOADS = re.compile(r"""\b(src|srcset|poster)=(?!\s*["']?data:)|<link\b|@import|url\((?!["']?data:)""")
PROGRESS = new_output("display_data", {notebook_clean.WIDGET: {"model_id": "1"}, "text/plain": "  0%|"})


def display(**data):
    return new_output("display_data", {kind.replace("_", "/"): value for kind, value in data.items()})


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def failure(message="price is -3"):
    return new_output("error", ename="ValueError", evalue=message, traceback=["\x1b[31mValueError\x1b[0m", message])


def notebook(*outputs, source="x = 1"):
    cells = [new_markdown_cell("# 02 Validate\n\nCan we trust it?"), new_code_cell(source, outputs=list(outputs))]
    return new_notebook(cells=cells, metadata={"papermill": {"start_time": "now"}, "widgets": {"state": {}}})


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "text <script>alert(1)</script>",
        "<img src=http://x.org/a.png onerror=alert(1)>",
        "```mermaid\n<script>alert(1)</script>\n```",
        "# <script>alert(1)</script>",
        "- a\n\n  <script>alert(1)</script>",
        "| a |\n|---|\n| <script>alert(1)</script> |",
    ],
)
def test_html_inside_markdown_is_text(markdown):
    page = notebook_html.render(notebook(display(text_markdown=markdown)), "t")
    assert "<script>alert" not in page
    assert "onerror" not in page.replace("onerror=alert(1)&gt;", "")
    assert "alert(1)" in page  # shown, not swallowed


def test_entities_in_markdown_are_shown_once_escaped():
    page = notebook_html.render(
        notebook(display(text_markdown="&lt;script&gt;alert(1)&lt;/script&gt; Tom &amp; Co")), "t"
    )
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt; Tom &amp; Co</p>" in page


@pytest.mark.parametrize("markdown", ["![plan](http://x.org/a.png)", "[y](javascript:alert(1))"])
def test_markdown_fetches_and_runs_nothing(markdown):
    page = notebook_html.render(notebook(display(text_markdown=markdown)), "t")
    assert not LOADS.search(page)
    assert "javascript:" not in page


def test_page_loads_nothing():
    page = notebook_html.render(notebook(stream("hello"), display(image_png=PNG), failure()), "t", "it broke")
    assert not LOADS.search(page)
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<script") == 1  # ours
    assert "default-src 'none'" in page


def test_policy_names_our_script():
    page = notebook_html.render(notebook(), "t")
    script = re.search(r"<script>(.*?)</script>", page, flags=re.DOTALL)[1]
    assert script == rendering.SCRIPT  # its hash is in the policy: one changed byte, and the browser refuses it


def test_title_error_and_print_are_text():
    page = notebook_html.render(notebook(stream("<b>1</b>"), failure("<i>2</i>")), "<u>3</u>", "<s>4</s>\nsecond line")
    for tag in ("<b>1", "<i>2", "<u>3", "<s>4"):
        assert tag not in page
        assert tag.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "\x1b[" not in page


def test_error_is_on_top_and_leads_to_the_cell():
    page = notebook_html.render(notebook(failure()), "t", "price is -3")
    assert page.index("This stage failed") < page.index("Can we trust it?") < page.index('id="error"')
    assert 'href="#error"' in page
    assert "This stage failed" not in notebook_html.render(notebook(), "t")


def test_error_before_the_kernel_has_no_cell_to_go_to():
    assert 'href="#error"' not in notebook_html.render(notebook(), "t", "params.yaml: no such shop")


def test_code_is_in_the_fold_at_the_end_and_stderr_absent():
    page = notebook_html.render(notebook(stream("a warning", "stderr"), PROGRESS, source="secret_sauce = 1"), "t")
    assert page.index('<details class="fold" id="details">') < page.index("secret_sauce")
    assert page.count("secret_sauce") == 1
    assert "a warning" not in page
    assert "0%|" not in page


def test_figure_is_described_by_the_takeaway_after_it():
    page = notebook_html.render(notebook(display(image_png=PNG), display(text_markdown="**EASE** wins.")), "t")
    assert 'alt="EASE wins."' in page
    assert 'alt="figure"' in notebook_html.render(notebook(display(image_png=PNG)), "t")


def test_data_frames_pass_with_their_numbers_marked():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": ["<script>x</script>", None], "price": [1.5, -2.0]})
    page = notebook_html.render(notebook(display(text_html=frame.to_html())), "t")
    assert '<td data-label="name">&lt;script&gt;x&lt;/script&gt;</td>' in page
    assert '<td class="n" data-label="price">1.5</td>' in page


def test_sections_are_listed():
    book = notebook()
    book.cells += [new_markdown_cell("## Who `loses` & why?"), new_markdown_cell("## Summary")]
    page = notebook_html.render(book, "t")
    assert '<a href="#who-loses-why">Who loses &amp; why?</a>' in page
    assert 'id="who-loses-why"' in page


def test_render_leaves_its_argument_alone():
    book = notebook(display(image_png=PNG))
    before = nbformat.writes(book)
    notebook_html.render(book, "t")
    assert nbformat.writes(book) == before


def run(start, chunks):
    """The same run at another time, with its print cut elsewhere."""
    book = notebook(*map(stream, chunks), stream(start, "stderr"), PROGRESS)
    injected = new_code_cell("k = 10", metadata={"tags": ["injected-parameters"], "papermill": {"start_time": start}})
    banner = new_markdown_cell("<span>failed</span>", metadata={"tags": [notebook_clean.FAILURE_TAG]})
    book.cells = [banner, book.cells[0], injected, *book.cells[1:]]
    book.cells[-1].execution_count = 2
    book.metadata.papermill.start_time = start
    return book


def test_clean_gives_equal_bytes():
    first, second = notebook_clean.clean(run("09:00", ["a", "b\n"])), notebook_clean.clean(run("10:00", ["ab\n"]))
    assert nbformat.writes(first) == nbformat.writes(second)
    assert nbformat.writes(notebook_clean.clean(first)) == nbformat.writes(first)
    nbformat.validate(first)


def test_clean_keeps_what_matters():
    cleaned = notebook_clean.clean(run("09:00", ["a"]))
    assert [cell.id for cell in cleaned.cells] == ["cell-00", "injected-parameters", "cell-02"]
    assert cleaned.cells[1].metadata == {"tags": ["injected-parameters"]}
    assert cleaned.cells[2].execution_count == 2
    assert [output.text for output in cleaned.cells[2].outputs] == ["a"]
    assert set(cleaned.metadata) <= {"kernelspec", "language_info"}


def test_no_output_has_a_secret_of_the_environment(monkeypatch):
    secret = "<open> sesame"
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    data = {"text/plain": f"'{secret}'", "text/html": "<b>&lt;open&gt; sesame</b>", "image/png": "sesame00"}
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=f"the key is {secret}\n"),
        nbformat.v4.new_output("display_data", data=data),
        nbformat.v4.new_output("error", ename="ValueError", evalue=secret, traceback=[f"line 1: {secret}"]),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)])
    for text in (nbformat.writes(notebook_clean.clean(notebook)), notebook_html.render(notebook, "T", f"no: {secret}")):
        assert "sesame00" in text
        assert " sesame" not in text
        assert "***" in text


def sections(*summary, failing=False):
    """A notebook with technical sections, one of results, and a summary."""
    check = failure() if failing else stream("all files exist")
    cells = [
        new_markdown_cell("# 02 Validate\n\n**Can we trust it?**\n\nSome background."),
        new_code_cell("min_quality = 0.95", metadata={"tags": ["parameters"]}),
        new_code_cell("import polars"),
        new_markdown_cell("## Inputs\n\nThe files."),
        new_code_cell("list_inputs()", outputs=[stream("users.csv")]),
        new_markdown_cell("## Checks"),
        new_code_cell("check()", outputs=[check]),
        new_markdown_cell("## How good is it?"),
        new_code_cell("draw()", outputs=[display(image_png=PNG)], metadata={"tags": ["key-figure"]}),
        new_code_cell("say()", outputs=[display(text_markdown="**Good.**")]),
        new_markdown_cell("## Summary"),
        new_code_cell("sum_up()", outputs=[display(text_markdown=text) for text in summary]),
        new_markdown_cell("**Limits.** It is a sample."),
    ]
    return new_notebook(cells=cells)


def test_a_page_begins_with_the_summary_and_ends_with_the_details():
    page = notebook_html.render(sections("**Warning:** 3 days `differ`.\n\n- **All rows** are kept"), "t")
    order = [
        "<strong>Can we trust it?</strong>",
        'id="summary"',
        '<span class="chip warn">Warning</span>',
        "<b>3 days differ.</b>",
        "<strong>All rows</strong> are kept",
        'alt="Good."',  # the key figure
        "Some background.",
        '<h2 id="how-good-is-it">',
        'alt="Good."',  # and where it belongs
        "<strong>Limits.</strong>",
        'id="details"',
        '<h3 id="inputs">Inputs</h3>',
        "users.csv",
        "all files exist",
        "Parameters and their defaults",
        "min_quality",
        "list_inputs",
        "sum_up",
    ]
    place = 0
    for text in order:
        assert text in page[place:], text
        place = page.index(text, place)
    assert page.count(">Summary<") == 1  # in the code
    assert "<details open" not in page


@pytest.mark.parametrize(
    ("summary", "verdict", "reason"),
    [
        ("**Passed.**\n\n- fine", "passed", None),
        ("**Warning:** *a & b*", "warning", "a & b"),
        ("**No data:** nothing\\_was streamed.", "no data", "nothing_was streamed."),
        ("- **Passed.** is no verdict here", None, None),
    ],
)
def test_the_verdict_of_a_summary(summary, verdict, reason):
    assert report.verdict(sections(summary)) == {"verdict": verdict, "verdict_reason": reason}
    page = notebook_html.render(sections(summary), "t")
    assert ('<span class="chip' in page) == (verdict is not None)


def test_without_a_summary_there_is_no_verdict_and_nothing_at_a_glance():
    assert report.verdict(sections()) == {"verdict": None, "verdict_reason": None}
    assert "At a glance" not in notebook_html.render(sections(), "t")


def test_the_failing_cell_is_shown_with_its_code_also_in_a_technical_section():
    page = notebook_html.render(sections(failing=True), "t", "price is -3")
    details = page.index('id="details"')
    assert page.index("This stage failed") < page.index('<h2 id="checks">') < page.index('id="error"') < details
    assert page.index("check") < details
    assert '<details class="code" open="">' in page


def test_a_technical_section_without_content_is_left_out_but_not_its_code():
    book = sections()
    book.cells += [new_markdown_cell("## Outputs"), new_code_cell("write()")]
    page = notebook_html.render(book, "t")
    assert '<h3 id="outputs">' not in page
    assert "<h4>Outputs</h4>" in page


def test_what_is_not_applicable_is_grey():
    page = notebook_html.render(
        notebook(display(text_markdown="*Not applicable: no user.*\n\n- *Not applicable: b*")), "t"
    )
    assert '<p class="soft"><em>Not applicable: no user.</em></p>' in page
    assert '<li class="soft"><em>Not applicable: b</em></li>' in page


def test_the_header_leads_to_all_stages():
    age = {"data_until": ("2026", "<b>"), "age_link": ("index.html#stages", "Is it?")}
    page = notebook_html.render(notebook(), "t", stages=("02_b", "01_a", "02_b", "03_c"), age=age)
    assert '>&lt;b&gt; UTC</time>. <a href="index.html#stages">Is it?</a></aside>' in page
    assert 'aria-current="page" href="02_b.html"' in page or 'href="02_b.html" aria-current="page"' in page
    assert '<a href="01_a.html" rel="prev">Previous: 01 A</a>' in page
    assert '<a href="03_c.html" rel="next">Next: 03 C</a>' in page


def section(title: str, *outputs) -> list:
    return [new_markdown_cell(f"## {title}\n\nWhat it is."), *(new_code_cell("x", outputs=[out]) for out in outputs)]


NOTHING = display(text_markdown="*Not applicable: nothing streamed.*")
NO_ROWS = display(text_html="<p>No rows.</p>")


def glance(verdict: str) -> list:
    return section("Summary", display(text_markdown=verdict))


def test_an_empty_table_is_left_out_beside_a_sentence_that_says_why():
    cells = [*section("A", NO_ROWS, NOTHING), *section("B", NO_ROWS), *section("C", display(text_markdown="Good."))]
    page = notebook_html.render(new_notebook(cells=cells), "t")
    assert page.count("No rows.") == 1
    assert page.index("nothing streamed") < page.index('id="b"') < page.index("No rows.") < page.index("Good.")


def test_without_data_the_page_does_not_say_so_in_each_section():
    table = display(text_html="<table><tbody><tr><td>1</td></tr></tbody></table>")
    cells = [*section("A", NO_ROWS, NOTHING), *section("B", NOTHING), *section("C", table)]
    page = notebook_html.render(new_notebook(cells=[*cells, *glance("**No data:** Nothing came.")]), "t")
    assert "Nothing came." in page
    assert "nothing streamed" not in page
    assert 'id="a"' not in page
    assert 'id="c"' in page
    passed = notebook_html.render(new_notebook(cells=[*cells, *glance("**Passed.**")]), "t")
    assert passed.count("nothing streamed") == 2
