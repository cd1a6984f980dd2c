"""Subjects and words of the generated exchange. All are fictional, except the names of coins."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Subject of one series of a family.

    `code`: part of the series ticker.
    `level`: middle of its ladders.
    `step`: difference between two rungs.
    """

    code: str
    name: str
    level: str = "0"
    step: str = "1"


TOWNS = (
    "Aldmoor", "Brackwater", "Carrow Hill", "Dunmere", "Eastvale", "Fjällby", "Göteryd", "Harrowgate", "Ironbridge",
    "Jäskelä", "Kestrel Bay", "Łowicz", "Mossley", "Novo Pará", "Øresby", "Pinecrest", "Quillon", "Ravensford",
    "São Telmo", "Tarnbrook", "Ulverton", "Västhamn", "Westerly", "Yarrow", "Zürsee",
)  # fmt: skip
FIRST_NAMES = ("Ada", "Bruno", "Chloé", "Dario", "Elif", "Femi", "Greta", "Hugo", "Inés", "Jonas", "Kaia", "Luca")
LAST_NAMES = (
    "Abernathy", "Bergström", "Castellano", "Dvořák", "Eastwood", "Fairbanks", "Grünewald", "Hollister", "Ibarra",
    "Jankowski", "Kowalczyk", "Lindqvist", "Moreau", "Nakagawa", "O'Dell", "Peregrine", "Quintero", "Rosenthal",
    "Sørensen", "Thackeray", "Underhill", "Vasquez", "Whitlock",
)  # fmt: skip
PERSON_NAMES = tuple(
    f"{FIRST_NAMES[at % len(FIRST_NAMES)]} {LAST_NAMES[at % len(LAST_NAMES)]}"
    for at in range(len(FIRST_NAMES) * len(LAST_NAMES))
)
WORDS = (
    "Affordability", "Algorithm", "Border", "Budget", "Climate", "Deficit", "Drone", "Energy", "Freedom", "Golden",
    "Historic", "Housing", "Inflation", "Jobs", "Level playing field", "Machine learning", "Momentum", "Nuclear",
    "Partnership", "Pipeline", "Prosperity", "Quantum", "Recession", "Resilience", "Shutdown", "Space", "Tariff",
    "Thank you", "Transparency", "Tremendous", "Unprecedented", "Victory", "Workforce", "Yesterday",
)  # fmt: skip

COINS = (
    Subject("BTC", "Bitcoin", "91249.99", "250"),
    Subject("ETH", "Ether", "3019.99", "20"),
    Subject("SOL", "Solana", "142.4999", "0.5"),
    Subject("XRP", "XRP", "2.1499", "0.01"),
    Subject("DOGE", "Dogecoin", "0.1649", "0.001"),
)
CITIES = (
    Subject("ALD", "Aldmoor", "54.5"), Subject("BRA", "Brackwater", "38.5"), Subject("DUN", "Dunmere", "67.5"),
    Subject("KES", "Kestrel Bay", "71.5"), Subject("PIN", "Pinecrest", "29.5"), Subject("STE", "São Telmo", "83.5"),
    Subject("TAR", "Tarnbrook", "46.5"), Subject("ZUR", "Zürsee", "41.5"),
)  # fmt: skip
RAIN = tuple(Subject(city.code, city.name, "4", "0.5") for city in CITIES)
COUNTRIES = (
    Subject("ARD", "Ardenia", "2.4", "0.1"), Subject("BOR", "Borvalia", "3.1", "0.1"),
    Subject("CAL", "Caldora", "0.9", "0.1"), Subject("MER", "Merrowland", "4", "0.25"),
    Subject("NOR", "Norhaven", "1.8", "0.1"), Subject("SOL", "Solmark", "5.5", "0.5"),
)  # fmt: skip
LEAGUES = (
    Subject("NEL", "Northern Elite League", "212.5", "3"), Subject("CCB", "Coastal Baseball", "8.5"),
    Subject("PHL", "Polar Hockey League", "5.5"), Subject("UBL", "United Basketball", "221.5", "3"),
    Subject("SFA", "Southern Football", "44.5"), Subject("ITC", "Indoor Tennis Circuit", "22.5"),
)  # fmt: skip
COMPANIES = (
    Subject("ORB", "Orbis Aerospace", "120", "10"), Subject("LUM", "Lumen Foundry", "45", "5"),
    Subject("HAL", "Halcyon Motors", "310000", "5000"), Subject("VER", "Verdant Foods", "88", "2"),
)  # fmt: skip
SPEAKERS = (
    Subject("GOV", "the Governor of Merrowland"), Subject("CEO", "the chief executive of Orbis Aerospace"),
    Subject("PMN", "the Prime Minister of Norhaven"), Subject("CBC", "the central bank's chair"),
)  # fmt: skip
