"""Names of columns in nine languages, words of event types, encodings."""

from __future__ import annotations

import doctest

import pytest

from recomart.draft import encodings, event_values, personal_data, vocabulary
from recomart.draft.vocabulary import agreement

COLUMNS = {
    "user_id": "CustomerID|Kundennr|id_client|cod_cliente|ID cliente|klantnummer|id_klienta|müşteri no",
    "item_id": "StockCode|Artikelnr.|réf produit|cod_articulo|id_prodotto|artikelcode|id_towaru|ürün kodu",
    "timestamp": "InvoiceDate|Bestelldatum|date_achat|fecha_pedido|dataOrdine|besteldatum|data zamówienia",
    "quantity": "Qty|Menge|quantité|cantidad|quantidade|quantità|aantal|ilość|adet",
    "price": "UnitPrice|Einzelpreis|prix unitaire|precio|preço|prezzo|prijs|cena|birim_fiyat",
    "total": "line_total|Gesamtpreis|montant|importe|valor total|totaal|wartość|tutar",
}
EVENTS = {
    "view": "vue|ProductViewed",
    "cart": "add_to_cart|AddToCart|do koszyka",
    "purchase": "Kauf|compra|sat\u0131n alma",
    "return": "Retoure|devolución|refunded",
    "rating": "rating",
    None: "remove_from_cart|blue|",
}
ENCODED = {
    "cp1252": ["Größe;Töpfe", "café;élève;garçon", "naïve;5 €"],
    "cp1250": ["zamówienie;żółć;łódź;ręką;święto"],
    "cp1254": ["müşteri;ç\u0131ğl\u0131k;göğüs;İzmir"],
    "cp1251": ["ёлка;мяч"],
    "ascii": ["plain"],
}


def pairs(words: dict[str | None, str]) -> list[tuple[str | None, str]]:
    return [(ours, word) for ours, found in words.items() for word in found.split("|")]


@pytest.mark.parametrize(("ours", "name"), pairs(COLUMNS))
def test_usual_names_mean_our_columns(ours, name):
    others = [other for other in COLUMNS if other != ours]
    assert agreement(name, ours) >= vocabulary.GOOD
    assert agreement(name, ours) > max(agreement(name, other) for other in others)


@pytest.mark.parametrize("name", ["c1", "x", "", "!!", "0", "a" * 5_000, "_" * 99])
def test_other_names_mean_nothing(name):
    assert max(agreement(name, ours) for ours in vocabulary.synonyms()["columns"]) < vocabulary.FAIR


@pytest.mark.parametrize(("ours", "word"), pairs(EVENTS))
def test_words_of_event_types(ours, word):
    assert event_values.meaning(word) == ours


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in ENCODED.items() for text in texts])
def test_the_encoding_is_that_in_which_letters_are_those_of_a_language(encoding, text):
    found = encodings.of_text(f"a;b\n{text}\n".encode(encoding))
    assert f"a;b\n{text}\n".encode(encoding).decode(found.name) == f"a;b\n{text}\n"
    assert encodings.of_text(f"{text}\n".encode()) == ("utf-8", [])


@pytest.mark.parametrize("module", [vocabulary, event_values, personal_data])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module) == (0, doctest.testmod(module).attempted)
