"""The long rules of generated markets (rules_secondary): a few hundred characters, some with line breaks or HTML."""

from random import Random

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


def secondary_rules(draw: Random) -> str:
    text = " ".join((draw.choice(OPENINGS), draw.choice(PROVISIONS), draw.choice(ENDINGS)))
    kind = draw.random()
    if kind < 0.08:
        return draw.choice(LISTS) * draw.choice((1, 1, 2, 12)) + text
    if kind < 0.09:
        return text + HTML
    return text if kind < 0.9 else " ".join((text, *PROVISIONS))
