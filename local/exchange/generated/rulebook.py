"""Secondary rules of generated markets (rules_secondary): a few hundred characters, some with line breaks or HTML."""

from functools import lru_cache

OPENINGS = (
    "Revisions that are published after the expiration are not taken into account.",
    "Only the official source counts; other sources may help but do not decide.",
    "The market stays open when the occasion is postponed by up to two weeks and closes after it has taken place.",
)
PROVISIONS = (
    "If the source is not there at the time of expiration, the last value that was available before counts.",
    "If the occasion is called off altogether, every market of the event resolves to its last fair price.",
    "Where two outcomes tie, each of them resolves to an equal part of a dollar, rounded down to the nearest cent.",
)
ENDINGS = (
    "Persons who are employed by the source or who hold material information that is not public may not trade here.",
    "The exchange is not affiliated with, authorised by or otherwise connected with the organisations named here.",
)
LISTS = (
    "How this settles\nThe value is read once, at the time of expiration.\nA later correction changes nothing.\n\n",
    "Participation\nWho is withdrawn before the start resolves to the last fair price.\nWho starts counts in full.\n\n",
)
HTML = (
    '<p>The full text is in the <a href="https://rulebook.example/contracts">contract terms</a> &amp; conditions.</p>'
)
VARIANTS = 1000


@lru_cache(maxsize=VARIANTS)
def secondary_rules(variant: int) -> str:
    """Return one of VARIANTS texts."""
    text = " ".join((OPENINGS[variant % 3], PROVISIONS[variant // 3 % 3], ENDINGS[variant // 9 % 2]))
    kind = variant // 10
    if kind < 8:
        return LISTS[variant % 2] * (1, 1, 2, 12)[variant // 2 % 4] + text
    if kind == 8:
        return text + HTML
    return text if kind < 90 else " ".join((text, *PROVISIONS))
