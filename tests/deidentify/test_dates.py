"""Date arithmetic: leap years, partial dates, time zones, dates as people write them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.deidentify.dates import DateFinder
from governance.deidentify.methods import shift_date


@pytest.mark.parametrize(("text", "days", "expected"), [
    ("2024-02-28", 1, "2024-02-29"), ("2023-02-28", 1, "2023-03-01"), ("2024-02-29", 365, "2025-02-28"),
    ("2024-12-31T23:59:59.999Z", 1, "2025-01-01T23:59:59.999Z"), ("2024-03-01T00:00:00+14:00", -1, "2024-02-29T00:00:00+14:00"),
    ("2020-01-01T10:00", 10, "2020-01-11T10:00"), ("2019-03", 20, "2019-04"), ("2019-03", -10, "2019-03"),
    ("2019", 200, "2020"), ("2019", 100, "2019"), ("1900-02-28", 1, "1900-03-01"), ("2000-02-28", 1, "2000-02-29"),
    ("2023-02-29", 1, None), ("2023-13-01", 1, None), ("23-01-01", 1, None), ("2023-01-01 10:00", 1, None),
    ("2023-01-01T10:00:00Zx", 1, None), ("9999-12-31", 1, None), ("0001-01-01", -1, None), ("", 1, None), ("２０２３", 1, None),
])  # fmt: skip
def test_a_date_moves_and_keeps_its_precision_and_zone(text, days, expected):
    assert shift_date(text, days) == expected


@given(st.dates(date(2, 1, 1), date(9990, 1, 1)), st.dates(date(2, 1, 1), date(9990, 1, 1)), st.integers(-365, 365))
def test_intervals_stay(one, two, days):
    moved = [date.fromisoformat(shift_date(day.isoformat(), days)) for day in (one, two)]
    assert moved[1] - moved[0] == two - one
    assert moved[0] - one == timedelta(days=days)


@pytest.fixture(scope="module")
def finder(words):
    return DateFinder(words, 89)


def written(finder, text, days, language):
    for span in sorted(set(finder.find(text, days=days, language=language)), key=lambda s: -s.start):
        text = text[: span.start] + (span.text or "[DATE]") + text[span.end :]
    return text


@pytest.mark.parametrize(("text", "language", "expected"), [
    ("on 2019-03-12.", "en", "on 2019-03-22."), ("am 12.03.2019", "de", "am 22.03.2019"), ("12/03/2019", "fr", "22/03/2019"),
    ("03/25/2019", "en", "04/04/2019"), ("03/04/2019", "en", "[DATE]"), ("3/4/2019", "es", "13/4/2019"),
    ("28 February 2020", "en", "9 March 2020"), ("March 5th, 2021", "en", "March 15th, 2021"), ("5 Mar 2021", "en", "15 Mar 2021"),
    ("3. März 2018", "de", "13. März 2018"), ("30. Dezember 2018", "de", "9. Januar 2019"),
    ("el 3 de marzo de 2019", "es", "el 13 de marzo de 2019"), ("le 1er août 2020", "fr", "le 11er août 2020"),
    ("in March 2019", "en", "in March 2019"), ("seit 12/2018", "de", "seit 12/2018"), ("12.03.19", "de", "22.03.19"),
    ("am 3. Mai", "de", "am [DATE]"), ("in 2015", "en", "in 2015"), ("BP 120/80, 1/2 tablet, pH 7.35", "en", "BP 120/80, 1/2 tablet, pH 7.35"),
    ("31.02.2019", "de", "31.02.2019"), ("may 5 mg", "en", "may 5 mg"), ("L4/5 and 3-4-5", "en", "L4/5 and 3-4-5"),
    ("a 92-year-old man", "en", "a 90+-year-old man"), ("an 89 year old", "en", "an 89 year old"), ("94 Jahre alt", "de", "90+ Jahre alt"),
    ("de 101 años", "es", "de 90+ años"), ("âgée de 91 ans", "fr", "âgée de 90+ ans"), ("120 mg", "en", "120 mg"),
])  # fmt: skip
def test_dates_and_ages_in_notes(text, language, expected, finder):
    assert written(finder, text, 10, language) == expected
