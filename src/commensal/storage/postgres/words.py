"""Names as words: the expression that indexes hold, and a search by the beginnings of words.

A word is what stands between blanks and signs. The expression is part of indexes: a change of it needs a migration.
"""

from __future__ import annotations

__all__ = ["words", "words_query"]

#: Signs that end a word, as blanks do.
_SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MOST = 20


def words(column: str) -> str:
    """Return the SQL expression (a tsvector) of the words in a text column."""
    signs = _SIGNS.replace("'", "''")
    return f"to_tsvector('simple', translate({column}, '{signs}', '{' ' * len(_SIGNS)}'))"


def words_query(text: str) -> str | None:
    """Return the text of a tsquery (``to_tsquery('simple', …)``): all words, each as the beginning of one; None: none.

    At most twenty words count.
    """
    plain = text.translate(dict.fromkeys(map(ord, _SIGNS + "\0"), " "))
    found = [word for word in plain.split() if any(sign.isalnum() for sign in word)][:_MOST]
    return " & ".join(f"'{word[:200]}':*" for word in found) or None
