"""The currency and the time zone of a shop, as far as its files hint at them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from recomart.draft import entities, price_signs, vocabulary
from recomart.draft.keys import Key
from recomart.draft.mapping import Mapping
from recomart.draft.table_draft import TableDraft

# country (words of places.yaml) -> time zone, currency
COUNTRIES = {
    ("de", "deu", "ger", "germany", "deutschland", "allemagne", "d"): ("Europe/Berlin", "EUR"),
    ("at", "aut", "austria", "osterreich", "a"): ("Europe/Vienna", "EUR"),
    ("ch", "che", "switzerland", "schweiz", "suisse"): ("Europe/Zurich", "CHF"),
    ("gb", "uk", "gbr", "united kingdom", "great britain", "england"): ("Europe/London", "GBP"),
    ("fr", "fra", "france", "frankreich"): ("Europe/Paris", "EUR"),
    ("es", "esp", "spain", "espana"): ("Europe/Madrid", "EUR"),
    ("pt", "prt", "portugal"): ("Europe/Lisbon", "EUR"),
    ("br", "bra", "brazil", "brasil"): ("America/Sao_Paulo", "BRL"),
    ("it", "ita", "italy", "italia"): ("Europe/Rome", "EUR"),
    ("nl", "nld", "netherlands", "nederland", "the netherlands"): ("Europe/Amsterdam", "EUR"),
    ("be", "bel", "belgium", "belgie", "belgique"): ("Europe/Brussels", "EUR"),
    ("pl", "pol", "poland", "polska"): ("Europe/Warsaw", "PLN"),
    ("tr", "tur", "turkey", "turkiye"): ("Europe/Istanbul", "TRY"),
    ("us", "usa", "united states", "united states of america"): ("America/New_York", "USD"),
    ("mx", "mex", "mexico"): ("America/Mexico_City", "MXN"),
    ("se", "swe", "sweden", "sverige"): ("Europe/Stockholm", "SEK"),
    ("dk", "dnk", "denmark", "danmark"): ("Europe/Copenhagen", "DKK"),
    ("no", "nor", "norway", "norge"): ("Europe/Oslo", "NOK"),
    ("in", "ind", "india"): ("Asia/Kolkata", "INR"),
    ("jp", "jpn", "japan"): ("Asia/Tokyo", "JPY"),
    ("au", "aus", "australia"): ("Australia/Sydney", "AUD"),
    ("ca", "can", "canada"): ("America/Toronto", "CAD"),
}
# words of column names that only one language has -> its main country
LANGUAGES = {
    "de": "kunde kunden kundennr artikel artikelnr preis menge anzahl geschlecht bezeichnung warengruppe bestellung",
    "fr": "prix quantite horodatage libelle sexe commande produit achat heure",
    "es": "precio cantidad fecha pedido edad pais articulo",
    "pt": "preco quantidade pedido produto idade cidade compra qtd qtde",
    "it": "prezzo quantita prodotto ordine eta citta paese articolo acquisto",
    "nl": "klant klanten prijs aantal besteldatum geslacht leeftijd bestelling omschrijving artikelnaam",
    "pl": "klient klienta cena ilosc towar zamowienia zamowienie produktu wiek plec miasto",
    "tr": "musteri urun fiyat fiyati adet tarih tarihi siparis yas cinsiyet sehir",
}
NAMES = {"de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian", "nl": "Dutch"}
NAMES |= {"pl": "Polish", "tr": "Turkish"}
CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₺": "TRY", "zł": "PLN", "r$": "BRL"}
CODE = re.compile(r"\b(EUR|USD|GBP|CHF|PLN|TRY|BRL|SEK|DKK|NOK|JPY|CAD|AUD|MXN|INR)\b", re.IGNORECASE)


@cache
def _zones() -> dict[str, tuple[str, str]]:
    return {word: found for names, found in COUNTRIES.items() for word in names}


def time_zone(mapping: Mapping) -> Key:
    """The zone of times without an offset; and of days, hours and weekdays in any case."""
    country = _country(mapping)
    times = mapping.events.column("timestamp").times
    zone = country[0] if country else "UTC"
    why = country[2] if country else "nothing in the files hints at a zone"
    if times and times.is_moment:
        return Key(zone, doubt=f"of days and weekdays, as times have an offset or count from 1970; {why}")
    return Key(zone, doubt=f"of times without an offset; {why}; or UTC" if country else f"or Europe/Berlin, ...: {why}")


def currency(mapping: Mapping) -> Key:
    """The currency of prices, a text for the reports."""
    if not any(table.choice(ours) for table in mapping.tables for ours in ("price", "total")):
        return Key("EUR", doubt="not used: there are no prices")
    stated = _stated(mapping)
    if stated:
        return Key(stated, note="as a column or its name says")
    country = _country(mapping)
    if signs := _signs(mapping):
        return _of_signs(signs, country[1] if country else None)
    if country:
        return Key(country[1], doubt=f"{country[2]}; or EUR, USD, ...")
    return Key("EUR", doubt="or USD, GBP, ...: nothing in the files says which")


def _signs(mapping: Mapping) -> list[str]:
    """The signs of currencies in the mapped prices, the most frequent first."""
    signs: Counter[str] = Counter()
    for table in mapping.tables:
        for ours in ("price", "total"):
            column = table.column(ours)
            signs.update(column.numbers.signs if column and column.numbers else {})
    return [sign for sign, _ in signs.most_common() if price_signs.currencies(sign)]


def _of_signs(signs: list[str], of_country: str | None) -> Key:
    """The currency of prices with these signs; that of the country of most users, if the sign may mean it."""
    possible = price_signs.currencies(signs[0])
    usual = of_country if of_country in possible else possible[0]
    others = [other for other in possible if other != usual]
    others += [code for sign in signs[1:] for code in price_signs.currencies(sign)]
    if others:
        return Key(usual, doubt=f"prices have the sign {', '.join(signs)}; or {', '.join(dict.fromkeys(others))}")
    return Key(usual, note=f"prices have the sign {signs[0]}")


def _stated(mapping: Mapping) -> str | None:
    """A currency in a column of currencies, or in the name of a column."""
    for delivery in _used(mapping):
        for column in delivery.columns:
            if match := CODE.search(column.name.replace("_", " ")):
                return match[1].upper()
            words = column.words.head(3).to_list()
            if (
                words
                and column.n_distinct <= 5
                and all(CODE.fullmatch(word) or word.lower() in CURRENCIES for word in words)
            ):
                return CURRENCIES.get(words[0].lower(), words[0].upper())
    return None


def _country(mapping: Mapping) -> tuple[str, str, str] | None:
    """(zone, currency, what says so) of the country of most users, or of the language of column names."""
    for table in (mapping.users, mapping.events):
        found = _of_users(table if table.delivery else mapping.users, mapping)
        if found:
            return found
    votes: Counter[str] = Counter()
    for delivery in _used(mapping):
        for column in delivery.columns:
            for country, names in LANGUAGES.items():
                votes[country] += bool(set(vocabulary.words(column.name)) & set(names.split()))
    best = votes.most_common(2)
    if best and best[0][1] >= 2 and (len(best) < 2 or best[0][1] > best[1][1]):
        return (*_zones()[best[0][0]], f"the names of columns are {NAMES[best[0][0]]}")
    return None


def _of_users(table: TableDraft, mapping: Mapping) -> tuple[str, str, str] | None:
    choice = mapping.users.choice("country")
    delivery = mapping.users.delivery or mapping.events.delivery
    if choice is None:
        return None
    column = delivery.column(choice.theirs)
    if entities.share_of_cells(column, frozenset(_zones())) < 0.3:
        return None
    for word in column.words.head(1):
        if (found := _zones().get(vocabulary.plain(word))) and column.counts[0] > 0.5 * column.counts.sum():
            return (*found, f"most users are from {word}")
    return None


def _used(mapping: Mapping) -> list:
    return [table.delivery for table in mapping.tables if table.delivery is not None]
