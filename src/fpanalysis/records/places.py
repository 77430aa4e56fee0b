"""Where a store is, in words that tell no password."""

import re

import sqlalchemy as sa
from sqlalchemy import exc

_HIDDEN = "***"
_USER = re.compile(r"(?<=:/)(/*[^:/?#]*):.*@", re.DOTALL)
_SECRETS = re.compile(r"((?:pass|pwd|secret|token)\w*)=[^&\s'\"]*", re.IGNORECASE)


def shown(text: str) -> str:
    """Return a path or URL without the passwords in it, however it is spelt.

    Example:
        >>> from fpanalysis.records.places import shown
        >>> shown("postgre://me:a@b/c@host/name?sslpassword=x")
        'postgre://me:***@host/name?sslpassword=***'
    """
    if ":/" not in text and "@" not in text:
        return text
    text = _USER.sub(rf"\1:{_HIDDEN}@", text)
    return _SECRETS.sub(rf"\1={_HIDDEN}", text)


def parsed(text: str) -> sa.URL:
    """Return the URL of a PostgreSQL database, with its password where it is hidden.

    Raises:
        ValueError: it is none; the message tells no password.
    """
    netloc = re.split(r"[/?#]", text.partition("//")[2], maxsplit=1)[0]
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        url = None
    if url is None or netloc.count("@") > 1:
        raise ValueError(
            "path: expected a URL such as postgresql://user@host/name, got another text; its port is a "
            "number, and in user name and password, @ is written %40, : %3A, / %2F"
        ) from None
    query = dict(url.query)
    password = query.pop("password", None)
    if password is not None:
        url = url.set(query=query, password=password if isinstance(password, str) else password[-1])
    return url


def without(message: str, url: sa.URL) -> str:
    """Return a message of a driver without the passwords of a URL."""
    secrets = [str(url.password or ""), *(str(v) for k, v in url.query.items() if _SECRETS.match(f"{k}="))]
    for secret in filter(None, secrets):
        message = message.replace(secret, _HIDDEN)
    return shown(message)
