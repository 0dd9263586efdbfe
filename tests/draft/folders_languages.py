"""Shops of nine languages, with the encodings, separators, marks and dates of their software."""
# ruff: noqa: RUF001 (the Turkish i without a dot)

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from draft.answers import Answer
from draft.made_files import Format
from draft.made_folder import Delivered, dialect, make
from draft.made_shop import Ids, MadeShop


def german_garden_shop(folder: Path) -> Answer:
    """cp1252, points between thousands, event words, a customers' file with names and addresses."""
    form = dialect(encoding="cp1252", thousands=".", times="%d.%m.%Y %H:%M", dates="%d.%m.%Y", mark="k.A.")
    shop = MadeShop(
        "de", seed=1, types=("view", "return"), ids=Ids("K{:05}", "A{:04}", "B{:06}"), genders=("w", "m", "d")
    )
    users = {"Kundennr": "user_id", "Vorname": "!first", "Nachname": "!last", "E-Mail": "!email", "Telefon": "!phone"}
    users |= {
        "Straße": "!street",
        "PLZ": "!zip",
        "Ort": "city",
        "Land": "country",
        "Geschlecht": "gender",
        "Alter": "age",
    }
    users |= {"Angemeldet": "signup_date"}
    items = {"Artikelnr": "item_id", "Bezeichnung": "name", "Warengruppe": "category", "Marke": "brand"}
    items |= {"EK-Preis": "!cost", "Preis": "price", "Gewicht": "!weight"}
    events = {"Bestellung": "order_id", "Kundennr": "user_id", "Artikelnr": "item_id", "Aktion": "event_type"}
    events |= {"Zeitpunkt": "timestamp", "Menge": "quantity", "Einzelpreis": "price"}
    return make(
        folder,
        shop,
        Delivered("bestellungen.csv", events, form),
        Delivered("kunden.csv", users, form),
        Delivered("artikel.csv", items, form),
        words={"purchase": "Kauf", "view": "Angesehen", "return": "Retoure"},
        time_zone="Europe/Berlin",
    )


def french_book_shop(folder: Path) -> Answer:
    """latin-1, spaces between thousands, dates with slashes, lines of orders with a line number and a VAT rate."""
    form = dialect(encoding="latin-1", thousands="\u00a0", times="%d/%m/%Y %H:%M", dates="%d/%m/%Y")
    shop = MadeShop("fr", seed=2, ids=Ids("{}", "LIV{:05}", "CMD-{:06}"), genders=("F", "H"))
    users = {"N° client": "user_id", "Prénom": "!first", "Nom": "!last", "Courriel": "!email", "Adresse": "!street"}
    users |= {"Ville": "city", "Pays": "country", "Sexe": "gender", "Date d'inscription": "signup_date"}
    items = {"Référence": "item_id", "Titre": "name", "Rayon": "category", "Éditeur": "brand", "Prix": "price"}
    items |= {"EAN": "!ean"}
    events = {"N° commande": "order_id", "Ligne": "!line", "N° client": "user_id", "Référence": "item_id"}
    events |= {"Quantité": "quantity", "Prix unitaire": "price", "TVA": "!vat", "Date de commande": "timestamp"}
    return make(
        folder,
        shop,
        Delivered("commandes.csv", events, form),
        Delivered("clients.csv", users, form),
        Delivered("livres.csv", items, form),
        time_zone="Europe/Paris",
    )


def spanish_pharmacy(folder: Path) -> Answer:
    """UTF-8 with a byte order mark, a till with line totals beside unit prices, tickets, branches and cashiers."""
    form = dialect(encoding="utf-8-sig", times="%d/%m/%Y %H:%M:%S", dates="%d/%m/%Y", newline="\r\n")
    shop = MadeShop("es", seed=3, n_users=320, ids=Ids("{}", "{}", "T{:07}"), known=0.55)
    users = {"id_cliente": "user_id", "nombre": "!full_name", "teléfono": "!phone", "fecha_nacimiento": "!birthday"}
    users |= {"sexo": "gender", "ciudad": "city", "fecha_alta": "signup_date"}
    items = {"código": "item_id", "descripción": "name", "familia": "category", "laboratorio": "brand", "pvp": "price"}
    items |= {"existencias": "stock", "proveedor": "!supplier"}
    events = {"fecha": "timestamp", "ticket": "order_id", "sucursal": "!store", "cajero": "!cashier"}
    events |= {"id_cliente": "user_id", "código": "item_id", "unidades": "quantity", "precio": "price"}
    events |= {"importe": "!total", "forma_pago": "!payment"}
    return make(
        folder,
        shop,
        Delivered("ventas.csv", events, form),
        Delivered("socios.csv", users, form),
        Delivered("productos.csv", items, form),
        time_zone="Europe/Madrid",
    )


def portuguese_marketplace(folder: Path) -> Answer:
    """Line totals instead of unit prices, points between thousands, a product's name and category in each line."""
    form = dialect(thousands=".", times="%d/%m/%Y %H:%M:%S", quoted=True)
    shop = MadeShop("pt", seed=4, n_users=400, ids=Ids("BR{:07}", "MLB{:08}", "PED{:07}"))
    events = {"pedido": "order_id", "data_pedido": "timestamp", "cliente": "user_id", "sku": "item_id"}
    events |= {"produto": "items.name", "categoria": "items.category", "quantidade": "quantity", "valor_total": "total"}
    events |= {"vendedor": "!store", "pagamento": "!payment"}
    return make(
        folder, shop, Delivered("pedidos_2025.csv", events, form), currency="BRL", time_zone="America/Sao_Paulo"
    )


def italian_fashion_shop(folder: Path) -> Answer:
    """Tabs, sales and returns as types of movements, dates with dashes, a sign-up date of the year's last digits."""
    form = dialect(separator="\t", encoding="cp1252", times="%d-%m-%Y %H:%M", dates="%d-%m-%Y")
    shop = MadeShop("it", seed=5, types=("return",), ids=Ids("{}", "ART{:05}", "{}"), genders=("Donna", "Uomo"))
    users = {"codice cliente": "user_id", "nome": "!first", "cognome": "!last", "telefono": "!phone"}
    users |= {"sesso": "gender", "città": "city", "data iscrizione": "signup_date", "punti": "!points"}
    items = {"articolo": "item_id", "descrizione": "name", "categoria": "category", "marca": "brand", "prezzo": "price"}
    events = {"movimento": "event_id", "data": "timestamp", "tipo": "event_type", "codice cliente": "user_id"}
    events |= {"articolo": "item_id", "quantità": "quantity", "prezzo": "price", "negozio": "!store"}
    return make(
        folder,
        shop,
        Delivered("movimenti.tsv", events, form),
        Delivered("clienti.tsv", users, form),
        Delivered("articoli.tsv", items, form),
        words={"purchase": "vendita", "return": "reso"},
        time_zone="Europe/Rome",
    )


def dutch_grocer(folder: Path) -> Answer:
    """Age bands, customers without a row, a till with quantities and totals that agree, dates with dashes."""
    form = dialect(encoding="cp1252", times="%d-%m-%Y %H:%M")
    shop = MadeShop("nl", seed=6, n_users=380, n_items=160, n_orders=1_900, ids=Ids("{}", "{}", "{}"), known=0.4)
    users = {"klantnummer": "user_id", "leeftijdsgroep": "age_band", "geslacht": "gender", "woonplaats": "city"}
    items = {"artikelnummer": "item_id", "omschrijving": "name", "afdeling": "category", "merk": "brand"}
    events = {"bonnummer": "order_id", "klantnummer": "user_id", "tijdstip": "timestamp", "artikelnummer": "item_id"}
    events |= {"aantal": "quantity", "bedrag": "total", "kassa": "!till", "korting": "!reduction"}
    return make(
        folder,
        shop,
        Delivered("kassabonnen.csv", events, form),
        Delivered("klanten.csv", users, form),
        Delivered("artikelen.csv", items, form),
        time_zone="Europe/Amsterdam",
    )


def polish_pharmacy(folder: Path) -> Answer:
    """cp1250, spaces between thousands, dates with points."""
    form = dialect(encoding="cp1250", thousands=" ", times="%d.%m.%Y %H:%M:%S", dates="%d.%m.%Y")
    shop = MadeShop("pl", seed=7, ids=Ids("KL{:05}", "T{:05}", "ZAM/{:06}"), genders=("K", "M"))
    users = {"nr klienta": "user_id", "imię": "!first", "nazwisko": "!last", "e-mail": "!email", "ulica": "!street"}
    users |= {"miasto": "city", "płeć": "gender", "wiek": "age", "data rejestracji": "signup_date"}
    items = {"kod towaru": "item_id", "nazwa": "name", "kategoria": "category", "producent": "brand", "cena": "price"}
    events = {"nr zamówienia": "order_id", "data": "timestamp", "nr klienta": "user_id", "kod towaru": "item_id"}
    events |= {"ilość": "quantity", "cena": "price", "wartość": "!total"}
    return make(
        folder,
        shop,
        Delivered("zamówienia.csv", events, form),
        Delivered("klienci.csv", users, form),
        Delivered("towary.csv", items, form),
        currency="PLN",
        time_zone="Europe/Warsaw",
    )


def turkish_book_shop(folder: Path) -> Answer:
    """cp1254, baskets and views as words, prices with points between thousands."""
    form = dialect(encoding="cp1254", thousands=".", times="%d.%m.%Y %H:%M", dates="%d.%m.%Y")
    shop = MadeShop(
        "tr", seed=8, types=("view", "cart"), ids=Ids("M{:05}", "K{:05}", "S{:06}"), genders=("Kadın", "Erkek")
    )
    users = {"müşteri no": "user_id", "ad soyad": "!full_name", "telefon": "!phone", "şehir": "city"}
    users |= {"cinsiyet": "gender", "kayıt tarihi": "signup_date"}
    items = {"ürün kodu": "item_id", "ürün adı": "name", "kategori": "category", "yayınevi": "brand", "fiyat": "price"}
    events = {"işlem": "event_type", "tarih": "timestamp", "müşteri no": "user_id", "ürün kodu": "item_id"}
    events |= {"sipariş no": "order_id", "adet": "quantity", "birim fiyat": "price"}
    return make(
        folder,
        shop,
        Delivered("hareketler.csv", events, form),
        Delivered("müşteriler.csv", users, form),
        Delivered("ürünler.csv", items, form),
        words={"purchase": "satın alma", "view": "görüntüleme", "cart": "sepete ekleme"},
        currency="TRY",
        time_zone="Europe/Istanbul",
    )


def american_hardware_store(folder: Path) -> Answer:
    """Months first, AM and PM, commas between thousands in quotes."""
    form = Format(thousands=",", times="%m/%d/%Y %I:%M %p", dates="%m/%d/%Y")
    shop = MadeShop("de", seed=9, start=datetime(2024, 9, 3), ids=Ids("{}", "{}", "{}"), genders=("Female", "Male"))
    users = {"Customer ID": "user_id", "First Name": "!first", "Last Name": "!last", "Email": "!email"}
    users |= {"Phone": "!phone", "City": "city", "Gender": "gender", "Member Since": "signup_date"}
    items = {
        "SKU": "item_id",
        "Description": "name",
        "Department": "category",
        "Vendor": "brand",
        "Retail Price": "price",
    }
    items |= {"Cost": "!cost", "Qty On Hand": "stock"}
    events = {"Invoice": "order_id", "Line": "!line", "Date": "timestamp", "Customer ID": "user_id", "SKU": "item_id"}
    events |= {"Qty": "quantity", "Unit Price": "price", "Ext Price": "!total"}
    return make(
        folder,
        shop,
        Delivered("Sales.csv", events, form),
        Delivered("Customers.csv", users, form),
        Delivered("Inventory.csv", items, form),
        currency="USD",
        time_zone="America/New_York",
    )


FOLDERS = (
    german_garden_shop,
    french_book_shop,
    spanish_pharmacy,
    portuguese_marketplace,
    italian_fashion_shop,
    dutch_grocer,
    polish_pharmacy,
    turkish_book_shop,
    american_hardware_store,
)
