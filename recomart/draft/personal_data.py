"""Columns that look like data of persons, which the pipeline does not need: they are not mapped, and their values are
never shown.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from recomart.draft import vocabulary, word_lists

KINDS = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "person_name": "names of persons",
    "street": "street addresses",
    "postcode": "postcodes",
    "birth_date": "dates of birth",
    "ip": "IP addresses",
    "card": "numbers of cards or accounts",
    "secret": "secrets or official numbers",
}
# Kind -> the pattern of its values, and the share of cells that match.
PATTERNS = {
    "email": r"^[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}$",
    "ip": r"^(\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{0,4}){4,7}$",
    "card": r"^\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}$|^[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){3,7}( ?[A-Z0-9]{1,4})?$",
    "phone": (
        r"^(\+|00)\d[\d ()/.-]{6,}\d$|^\(?0\d{1,5}[)/ -][\d ()/.-]{4,}\d$"
        r"|^\(\d{2,3}\) ?9?\d{3,4}[- ]\d{4}$|^\d{3}([ .-])\d{3}([ .-])\d{3,4}$"
    ),
    "street": (
        r"(?i)^(.*(str\.|stra(ss|ß)e|weg|gasse|allee|platz|street|road|avenue|ave\.?|lane|drive|rd\.?|laan|straat|plein|sokak"
        r"|caddesi|cad\.|sok\.)\b.*\d+.*|\d+[a-z]?,? (bis |ter )?(rue|avenue|boulevard|chemin|place|all[ée]e)\b.*"
        r"|\d+ [A-Z][\w' ]+(street|st\.?|road|rd\.?|avenue|ave\.?|lane|drive|way|court)\b.*"
        r"|(calle|c/|avda|avenida|plaza|rua|travessa|via|viale|piazza|corso|ul\.|ulica|al\.|os\.)\s.*\d+.*"
        r"|.*(sokak|caddesi|mahallesi|bulvar\w|cad\.|sok\.|sk\.|mah\.)\s.*\d+.*)$"
    ),
    "secret": (
        r"^(eyJ[\w-]{10,}\.[\w-]+\.[\w-]+|sk_(live|test)_\w+|AKIA[A-Z0-9]{16}|gh[pousr]_\w{20,}"
        r"|\$2[aby]\$.{50,})$"
    ),
}
PARTICLES = r"(?:v[ao]n|de[nr]?|te[nr]|d[aeiou]s?|del|la|le|e|y|zu|zur)"
NAMES = rf"^(?:{PARTICLES} )*\p{{Lu}}[\pL'\u2019.-]*,?(?: (?:\p{{Lu}}[\pL'\u2019.-]*|{PARTICLES}),?){{0,5}}$"
HARMLESS_LENGTH, HARMLESS_WORDS = 7, 20  # digits of a number, and words of a column, that say nothing about a person
MIN_SHARE = 0.6
MIN_FIRST_NAMES = 0.25  # of the words that begin with a usual first name
MIN_NAME = 0.6  # how well a name must agree


def kind(name: str, words: pl.Series, is_time: bool = False) -> str | None:
    """The kind of personal data in a column, by its distinct words or else by its name; None if it is none."""
    sample = words.head(500)
    if sample.len() and not is_time:
        for kind, pattern in PATTERNS.items():
            if sample.str.contains(pattern).mean() >= MIN_SHARE:
                return kind
        if _are_cards(sample):
            return "card"
        if _are_names(name, sample):
            return "person_name"
    return _by_name(name, sample)


def _are_cards(sample: pl.Series) -> bool:
    """Whether the words are numbers of payment cards: 13 to 19 digits, of which the last one is a check digit."""
    digits = sample.str.replace_all(r"[ -]", "")
    if not digits.str.contains(r"^[3-6]\d{12,18}$").mean() > 0.9 or sample.len() < 8:
        return False
    return sum(_has_check_digit(number) for number in digits) > 0.8 * digits.len()


def _has_check_digit(number: str) -> bool:
    """Whether the last digit is right by the rule of Luhn.

    >>> _has_check_digit("4111111111111111"), _has_check_digit("4111111111111112")
    (True, False)
    """
    if not number.isdecimal():
        return False
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def _are_names(name: str, sample: pl.Series) -> bool:
    """Whether the words are names of persons, by their first names; authors and brands are no customers."""
    if max(vocabulary.agreement(name, ours) for ours in ("brand", "category", "city", "country")) >= 0.7:
        return False
    if not sample.str.contains(NAMES).mean() > 0.8 or sample.len() < 8:
        return False
    firsts = [vocabulary.plain(_first(word)) in _first_names() for word in sample]
    return sum(firsts) >= MIN_FIRST_NAMES * len(firsts)


def _first(name: str) -> str:
    """The first name in the name of a person.

    >>> _first("Anna Maria Weiss"), _first("Weiss, Anna Maria"), _first("Dr. Anna Weiss")
    ('Anna', 'Anna', 'Anna')
    """
    words = [word for word in name.rpartition(", ")[2].split() if not word.endswith(".")]
    return words[0] if words else ""


@cache
def _first_names() -> frozenset[str]:
    content = word_lists.read("places")
    return frozenset(content["first_names"])


def _by_name(name: str, sample: pl.Series) -> str | None:
    kind, agreement = vocabulary.best(name, tuple(KINDS))
    if kind is None or agreement < MIN_NAME:
        return None
    _, better = vocabulary.best(name, OURS)
    if better > agreement or (better == agreement and kind not in ("email", "phone", "secret", "birth_date")):
        return None
    return kind if _is_plausible(kind, sample) else None


OURS = (
    "user_id",
    "item_id",
    "order_id",
    "event_type",
    "timestamp",
    "quantity",
    "price",
    "rating",
    "signup_date",
    "gender",
)
OURS += ("age", "country", "city", "category", "brand", "name")


def _is_plausible(kind: str, sample: pl.Series) -> bool:
    """Whether the values do not contradict the name."""
    if not sample.len():
        return True
    has_digits = sample.str.contains(r"\d").mean()
    if kind == "person_name":
        return has_digits < 0.5
    if kind in ("phone", "card", "ip", "birth_date", "postcode"):
        return has_digits > 0.5 or kind == "postcode"
    return kind != "email" or sample.str.contains("@", literal=True).mean() > 0.3


def is_harmless(words: pl.Series, n_filled: int, is_time: bool, is_number: bool) -> bool:
    """Whether two values of a column that nobody needs may be shown: times, short numbers, and few words that repeat.

    What is left may be anything: names that no list has, keys, notes about customers.
    """
    if is_time:
        return True
    if is_number:
        return bool((words.head(500).str.len_chars() <= HARMLESS_LENGTH).all())
    return words.len() <= HARMLESS_WORDS and n_filled >= 5 * words.len()


def masked(value: str) -> str:
    """A value of which only the first character and the form show.

    >>> masked("anna@example.com"), masked("+49 30 123456"), masked("")
    ('a***', '+***', '')
    """
    return f"{value[:1]}***" if value else ""
