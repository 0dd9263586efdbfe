"""Terms of the glossary in pages."""

from __future__ import annotations

from bs4 import BeautifulSoup

from recomart.reports import finish
from recomart_lib.core.glossary import GLOSSARY


def explained(html: str) -> BeautifulSoup:
    return BeautifulSoup(finish.finish(f"{finish.OPEN}{html}{finish.CLOSE}"), "html.parser")


def marked(html: str) -> list[str]:
    return [mark.get_text() for mark in explained(html).select("dfn")]


def test_the_first_occurrence_in_each_section_is_explained():
    soup = explained("<h2>A</h2><p>The holdout, the Holdout.</p><h2>B</h2><ul><li>a holdout</li></ul>")
    assert [mark.get_text() for mark in soup.select("dfn")] == ["holdout", "holdout"]
    mark = soup.select_one("dfn")
    assert mark["tabindex"] == "0"
    assert mark["data-term"] == GLOSSARY["holdout"] == soup.find(id=mark["aria-describedby"]).get_text()


def test_the_glossary_has_the_terms_of_the_page_once():
    soup = explained("<h2>A</h2><p>ndcg@10 and recall</p><h2>B</h2><p>recall</p>")
    assert [name.get_text() for name in soup.select("#glossary dt")] == ["ndcg@10", "recall"]
    assert explained("<p>Nothing to explain.</p>").find(id="glossary") is None


def test_the_text_stays_the_same():
    html = "<p>The <b>hit rate</b> of cold users, at 3 cuts &amp; in the holdout.</p>"
    soup = explained(html)
    assert soup.p.get_text() == "The hit rate of cold users, at 3 cuts & in the holdout."
    assert [mark.get_text() for mark in soup.select("dfn")] == ["hit rate", "cold", "cuts", "holdout"]


def test_a_metric_at_another_length_has_the_explanation_of_the_metric():
    soup = explained("<table><thead><tr><th>ndcg@5</th><th>hit_rate@10</th></tr></thead></table>")
    assert [mark["data-term"] for mark in soup.select("dfn")] == [GLOSSARY["ndcg"], GLOSSARY["hit rate"]]


def test_an_everyday_word_is_a_term_where_it_stands_alone():
    head = "<table><thead><tr><th>model</th><th>MAP</th></tr></thead></table>"
    assert [mark["data-term"] for mark in explained(head).select("dfn")] == [GLOSSARY["map@10"]]


def test_words_that_contain_a_term_are_none():
    assert marked("<p>shortcut, cutlery, cold-water, execute, my_holdout, recalled, heat map</p>") == []


def test_code_links_headings_and_data_are_left_alone():
    head = "<table><thead><tr><th>product</th><th>n</th></tr></thead>"
    data = f"{head}<tbody><tr><td>cold tea</td><td>cold</td></tr></tbody></table>"
    assert marked(f"<h2>holdout</h2><p><code>holdout</code> <a href='#x'>holdout</a></p><pre>holdout</pre>{data}") == []


def test_a_row_that_is_named_by_a_term_is_explained():
    head = "<table><thead><tr><th>metric</th><th>n</th></tr></thead>"
    assert marked(f"{head}<tbody><tr><td>ndcg@10</td><td>1</td></tr></tbody></table>") == ["ndcg@10"]
