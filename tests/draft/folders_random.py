"""Shops at random: languages, names of columns, formats and columns in combinations that nobody chose.

The names differ from those of the other folders as far as the languages let them.
"""
# ruff: noqa: RUF001 (the Turkish i without a dot)

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import Delivered, make
from draft.made_shop import Ids, MadeShop

# Kind -> names that exports have, for each language.
NAMES = {
    "en": {
        "user_id": "buyer_id|client no|MemberID|shopper",
        "item_id": "product_code|ItemNumber|article id|asin",
        "order_id": "OrderNumber|invoice_id|sales order|receipt_no",
        "timestamp": "purchase_date|Created At|event_time|order date",
        "quantity": "Qty Ordered|units_sold|count|Pieces",
        "price": "price_each|Item Price|unit cost to customer|net_price",
        "total": "LineTotal|amount_paid|Line Amount|subtotal",
        "event_type": "activity|event_name|interaction|TransactionType",
        "signup_date": "registered_on|CustomerSince|join date",
        "gender": "sex|Gender",
        "age": "age|AgeYears",
        "country": "country_code|Nation",
        "city": "town|City",
        "name": "product name|ItemDescription|label",
        "category": "dept|Product Category|product_line",
        "brand": "manufacturer|BrandName|maker",
        "list": "list_price|MSRP|retail price",
    },
    "de": {
        "user_id": "KundenID|Kd-Nr.|Kunde|Mitgliedsnummer",
        "item_id": "Art.-Nr.|ProduktID|Artikel|SKU",
        "order_id": "Auftragsnr|Belegnummer|Bestell-ID|Rechnungsnr.",
        "timestamp": "Datum|Bestelldatum|Buchungszeit|Kaufdatum",
        "quantity": "Anzahl|Stück|Stückzahl",
        "price": "Stückpreis|Preis|VK",
        "total": "Gesamtpreis|Zeilensumme|Betrag",
        "event_type": "Ereignis|Vorgangsart|Typ",
        "signup_date": "Registrierdatum|Kunde seit",
        "gender": "Geschlecht|Anrede",
        "age": "Alter",
        "country": "Land|Staat",
        "city": "Stadt|Wohnort",
        "name": "Artikelname|Produktname|Titel",
        "category": "Kategorie|Sortiment|Produktgruppe",
        "brand": "Hersteller|Markenname",
        "list": "Listenpreis|UVP|Verkaufspreis",
    },
    "fr": {
        "user_id": "id_client|code client|client",
        "item_id": "code_article|id_produit|réf. produit",
        "order_id": "num_commande|n° facture|ticket",
        "timestamp": "date_achat|horodatage|date",
        "quantity": "qte|quantité vendue|nb",
        "price": "prix_unitaire|PU|prix de vente",
        "total": "montant|montant_ligne|total ligne",
        "event_type": "type d'événement|action",
        "signup_date": "date_inscription|client depuis",
        "gender": "genre|sexe",
        "age": "âge",
        "country": "pays",
        "city": "ville|commune",
        "name": "libellé|nom du produit|désignation",
        "category": "catégorie|famille",
        "brand": "marque|fabricant",
        "list": "prix|tarif|prix catalogue",
    },
    "es": {
        "user_id": "cod_cliente|cliente|número de socio",
        "item_id": "cod_articulo|id_producto|referencia",
        "order_id": "num_pedido|factura|nº pedido",
        "timestamp": "fecha_compra|fecha y hora|fecha pedido",
        "quantity": "cantidad|uds",
        "price": "precio_unitario|precio venta",
        "total": "importe_linea|total",
        "event_type": "evento|tipo de operación",
        "signup_date": "fecha de registro|alta",
        "gender": "género|sexo",
        "age": "edad",
        "country": "país",
        "city": "localidad|ciudad",
        "name": "nombre producto|artículo|título",
        "category": "categoría|sección",
        "brand": "marca|fabricante",
        "list": "precio|tarifa",
    },
    "pt": {
        "user_id": "id_cliente|código do cliente|comprador",
        "item_id": "id_produto|código do produto|artigo",
        "order_id": "num_pedido|nota fiscal|encomenda",
        "timestamp": "data_compra|data e hora|data",
        "quantity": "qtd|quantidade",
        "price": "preço_unitário|preço",
        "total": "valor total|total da linha",
        "event_type": "evento|tipo de evento|ação",
        "signup_date": "data de cadastro|data_registo",
        "gender": "gênero|sexo",
        "age": "idade",
        "country": "país",
        "city": "cidade|município",
        "name": "nome do produto|descrição|título",
        "category": "categoria|departamento",
        "brand": "marca|fabricante",
        "list": "preço|preço de tabela",
    },
    "it": {
        "user_id": "id_cliente|cliente|numero tessera",
        "item_id": "codice_articolo|id_prodotto|prodotto",
        "order_id": "num_ordine|scontrino|n. fattura",
        "timestamp": "data_ordine|data e ora|data acquisto",
        "quantity": "qta|pezzi|quantita",
        "price": "prezzo_unitario|prezzo",
        "total": "importo|totale riga",
        "event_type": "evento|azione|tipo movimento",
        "signup_date": "data_registrazione|cliente dal",
        "gender": "genere|sesso",
        "age": "età",
        "country": "paese|nazione",
        "city": "città|comune",
        "name": "nome prodotto|titolo|denominazione",
        "category": "reparto|categoria",
        "brand": "marchio|produttore",
        "list": "prezzo di listino|listino",
    },
    "nl": {
        "user_id": "klant_id|klant|klantnr",
        "item_id": "productcode|artikelnr|artikel",
        "order_id": "ordernummer|bestelling|factuurnr",
        "timestamp": "besteldatum|datum|datum en tijd",
        "quantity": "hoeveelheid|stuks",
        "price": "stukprijs|prijs",
        "total": "regeltotaal|totaalbedrag",
        "event_type": "gebeurtenis|actie",
        "signup_date": "klant sinds|registratiedatum",
        "gender": "geslacht",
        "age": "leeftijd",
        "country": "land",
        "city": "plaats|stad",
        "name": "productnaam|naam|titel",
        "category": "categorie|productgroep",
        "brand": "merk|fabrikant",
        "list": "prijs|adviesprijs",
    },
    "pl": {
        "user_id": "id_klienta|klient|numer klienta",
        "item_id": "id_produktu|produkt|kod produktu",
        "order_id": "nr_zamowienia|paragon|nr faktury",
        "timestamp": "data_zamówienia|data i godzina|data zakupu",
        "quantity": "ilosc|liczba sztuk",
        "price": "cena_jednostkowa|cena szt.",
        "total": "kwota|wartość pozycji",
        "event_type": "zdarzenie|akcja",
        "signup_date": "data_rejestracji|klient od",
        "gender": "płeć",
        "age": "wiek",
        "country": "kraj",
        "city": "miasto|miejscowość",
        "name": "nazwa produktu|tytuł|opis",
        "category": "kategoria|dział",
        "brand": "marka|producent",
        "list": "cena|cena katalogowa",
    },
    "tr": {
        "user_id": "müşteri_id|müşteri|müşteri kodu",
        "item_id": "ürün_id|ürün|stok kodu",
        "order_id": "sipariş_no|fatura no|fiş no",
        "timestamp": "sipariş tarihi|tarih saat|işlem zamanı",
        "quantity": "miktar|adet",
        "price": "birim_fiyat|fiyat",
        "total": "tutar|toplam tutar",
        "event_type": "olay|işlem tipi",
        "signup_date": "üyelik tarihi|kayıt tarihi",
        "gender": "cinsiyet",
        "age": "yaş",
        "country": "ülke",
        "city": "şehir|il",
        "name": "ürün adı|ad|başlık",
        "category": "kategori|bölüm",
        "brand": "marka|üretici",
        "list": "fiyat|liste fiyatı",
    },
}
ENCODINGS = {"pl": "cp1250", "tr": "cp1254"}
WORDS = {
    "en": {"purchase": "order", "view": "page view", "cart": "add to basket", "return": "returned"},
    "de": {"purchase": "Bestellung", "view": "Ansicht", "cart": "Warenkorb", "return": "Rückgabe"},
    "fr": {"purchase": "achat", "view": "consultation", "cart": "panier", "return": "retour"},
    "es": {"purchase": "compra", "view": "vista", "cart": "carrito", "return": "devolución"},
    "pt": {"purchase": "compra", "view": "visualização", "cart": "carrinho", "return": "devolução"},
    "it": {"purchase": "acquisto", "view": "visualizzazione", "cart": "carrello", "return": "reso"},
    "nl": {"purchase": "aankoop", "view": "bekeken", "cart": "winkelwagen", "return": "retour"},
    "pl": {"purchase": "zakup", "view": "wyświetlenie", "cart": "koszyk", "return": "zwrot"},
    "tr": {"purchase": "satın alma", "view": "görüntüleme", "cart": "sepet", "return": "iade"},
}
NOT_OURS = {
    "users": ("!points", "!newsletter", "!segment", "!zip", "!first", "!last", "!email", "!phone"),
    "items": ("!ean", "!weight", "!supplier", "!cost", "!url", "!vat"),
    "events": ("!line", "!store", "!till", "!payment", "!vat", "!note"),
}
CALLED = {
    "!first": "fn",
    "!last": "ln",
    "!email": "e-mail",
    "!phone": "tel",
    "!zip": "zip",
    "!cost": "ek",
    "!line": "pos",
    "!vat": "tax",
    "!ean": "gtin",
}


def random_shop(seed: int, folder: Path, neutral: bool = False) -> Answer:
    """Write one shop. Every value follows from the seed. `neutral`: columns and files have names that say nothing."""
    draw = random.Random(seed)
    locale = draw.choice(list(NAMES))
    types = draw.choice([(), (), ("return",), ("view",), ("view", "cart"), ("view", "cart", "return")])
    ids = Ids(
        draw.choice(["{}", "C{:05}", "u{:07}"]),
        draw.choice(["{}", "A-{:04}", "{:08}"]),
        draw.choice(["{}", "O{:07}", "2025/{:06}"]),
    )
    shop = MadeShop(
        locale,
        seed=1_000 + seed,
        n_users=draw.randrange(120, 400),
        n_items=draw.randrange(60, 200),
        n_orders=draw.randrange(900, 1_800),
        n_days=draw.choice([90, 200, 400]),
        types=types,
        ids=ids,
        known=draw.choice([1.0, 1.0, 0.5]),
        negative=draw.choice([0, 0.03]) if not types else 0,
        guests=draw.choice([0, 0, 0.3]) if not types else 0,
        genders=draw.choice([("F", "M"), ("w", "m"), ("female", "male")]),
    )
    form = _format(draw, locale)
    has_users, has_items = draw.random() < 0.75, draw.random() < 0.8
    events = [draw.choice(["price", "total"]), "user_id", "item_id", "timestamp", "quantity"]
    events += ["order_id"] * (draw.random() < 0.75) + ["event_type"] * bool(types)
    users = ["user_id", *draw.sample(["signup_date", "gender", "age", "country", "city"], draw.randrange(1, 5))]
    items = ["item_id", "name", "category", *draw.sample(["brand", "list"], draw.randrange(0, 3))]
    tables = {"events": events, "users": users, "items": items}
    made = {
        table: Delivered(f"{table[0]}_{seed}.csv", _columns(draw, kinds, table, locale), form)
        for table, kinds in tables.items()
    }
    if neutral:
        made = {table: _neutral(one, place) for place, (table, one) in enumerate(made.items())}
    words = {kind: WORDS[locale][kind] for kind in ("purchase", *types)}
    return make(
        folder,
        shop,
        made["events"],
        made["users"] if has_users else None,
        made["items"] if has_items else None,
        words=words if types else None,
    )


def _neutral(one: Delivered, place: int) -> Delivered:
    columns = {f"c{number}": kind for number, kind in enumerate(one.columns.values(), 1)}
    return replace(one, path=f"{'xyz'[place]}.csv", columns=columns)


def _columns(draw: random.Random, kinds: list[str], table: str, locale: str) -> dict[str, str]:
    """Delivered name -> kind, in any order, with some columns that are not ours."""
    names = {kind: draw.choice(NAMES[locale][kind].split("|")) for kind in NAMES[locale]}
    columns = {names[kind]: "price" if kind == "list" else kind for kind in kinds}
    for kind in draw.sample(NOT_OURS[table], draw.randrange(0, 4)):
        columns.setdefault(CALLED.get(kind, kind[1:]), kind)
    return dict(draw.sample(list(columns.items()), len(columns)))


def _format(draw: random.Random, locale: str) -> Format:
    if locale == "en":
        separator, decimal, thousands = draw.choice([(",", ".", ""), (",", ".", ","), ("\t", ".", ""), ("|", ".", "")])
        days = draw.choice(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"])
    else:
        separator, decimal = draw.choice([(";", ","), ("\t", ","), (";", ".")])
        thousands = draw.choice(["", ".", "\u00a0"]) if decimal == "," else ""
        days = draw.choice(["%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d"])
    return Format(
        separator=separator,
        decimal=decimal,
        thousands=thousands,
        encoding=draw.choice(["utf-8", "utf-8-sig", ENCODINGS.get(locale, "cp1252")]),
        times=days + draw.choice([" %H:%M", " %H:%M:%S"]),
        dates=days,
        quoted=draw.random() < 0.2,
        newline=draw.choice(["\n", "\r\n"]),
        mark=draw.choice(["", "", "", "NULL"]),
    )
