"""E-mail: written in the transaction that causes it, sent after it, tried again when it fails.

Without an SMTP server nothing is stored; the text goes to the log, where the operator finds the link.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from commensal.errors import SetupError, Unavailable
from commensal.services.clock import Clock, utc_now
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.mail import Letter, Outbox

__all__ = ["Mail", "SmtpServer"]

_log = logging.getLogger("commensal.mail")

#: Waits between the tries: the last one gives up after about two days.
_WAITS = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440)]
#: Another process takes a message over when the one that took it has not reported for this long.
_TAKEN = timedelta(minutes=5)
_BATCH = 20
_LOOK_EVERY = 5.0
_TIMEOUT = 30


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in: ``smtp://[user:password@]host[:port]`` or ``smtps://…`` (TLS from the start).

    ``?starttls=no`` forbids and ``?starttls=require`` demands STARTTLS (RFC 3207), which is otherwise used
    where the server offers it; ``?from=address`` is the sender.
    """

    host: str
    port: int
    tls: bool
    starttls: str = "auto"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """Read the address; raises ``SetupError`` when it is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise SetupError("The SMTP address is not a URL: write smtp://user:password@host:587.") from error
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SetupError("The SMTP address must begin with smtp:// or smtps:// and name a host.")
        starttls = options.pop("starttls", "auto")
        sender = options.pop("from", "")
        if starttls not in ("auto", "no", "require") or options:
            raise SetupError("The SMTP address knows the options starttls=auto|no|require and from=ADDRESS.")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if tls else 587 if parts.username else 25),
            tls=tls,
            starttls=starttls,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            sender=sender,
        )


class Mail:
    """The outbox; ``run`` is its background task, any number of processes may run it."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        smtp_url: str | None,
        sender: str = "",
        now: Clock = utc_now,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``tls`` verifies the server; the default trusts the system's authorities.

        Raises ``SetupError`` when ``smtp_url`` is not an SMTP address.
        """
        self._database = database
        self._outbox = outbox
        self._server = SmtpServer.parse(smtp_url) if smtp_url else None
        self._sender = (self._server.sender if self._server else "") or sender or "commensal@localhost"
        self._now = now
        self._tls = tls
        self._due = asyncio.Event()

    @property
    def configured(self) -> bool:
        """Tell whether mail goes out; if not, links are shown on the pages and in the log."""
        return self._server is not None

    async def send(self, unit: Unit, recipient: str, subject: str, body: str) -> None:
        """Write a message that goes out once the transaction is committed."""
        if self._server is None:
            _log.info("No mail server is set (--smtp). To %s: %s\n%s", recipient, subject, body)
            return
        await self._outbox.add(unit, recipient, subject, body, self._now())
        self._due.set()

    async def deliver(self) -> int:
        """Send what is due; return how many messages went out."""
        if self._server is None:
            return 0
        now = self._now()
        async with self._database.begin() as unit:
            letters = await self._outbox.claim(unit, now, now + _TAKEN, _BATCH)
        sent = 0
        for letter in letters:
            try:
                await asyncio.to_thread(self._hand_in, self._server, letter)
            except (OSError, smtplib.SMTPException, ValueError) as error:
                await self._failed(letter, error)
            else:
                sent += 1
                async with self._database.begin() as unit:
                    await self._outbox.sent(unit, letter.id, self._now())
        return sent

    async def _failed(self, letter: Letter, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:500].replace("\0", " ")
        again = self._now() + _WAITS[letter.attempts - 1] if letter.attempts <= len(_WAITS) else None
        if again is None:
            _log.error("Message %d could not be sent and is given up: %s", letter.id, reason)
        else:
            _log.warning("Message %d could not be sent (try %d): %s", letter.id, letter.attempts, reason)
        async with self._database.begin() as unit:
            await self._outbox.failed(unit, letter.id, reason, again)

    def _hand_in(self, server: SmtpServer, letter: Letter) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.recipient
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(self._now())
        message["Message-ID"] = make_msgid(domain="commensal.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.body)
        context = self._tls or ssl.create_default_context()
        if server.tls:
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)
        with connection:
            secure = server.tls
            connection.ehlo_or_helo_if_needed()
            if not secure and server.starttls != "no":
                if connection.has_extn("starttls"):
                    connection.starttls(context=context)
                    connection.ehlo()
                    secure = True
                elif server.starttls == "require":
                    raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS, and the address demands it")
            if server.user:
                if not secure and server.starttls != "no":
                    raise smtplib.SMTPNotSupportedError(
                        "the server offers no TLS, so user and password are not sent; "
                        "add ?starttls=no to the address to send them in the clear"
                    )
                connection.login(server.user, server.password)
            connection.send_message(message)

    async def run(self) -> None:
        """Send until cancelled."""
        if self._server is None:
            return
        while True:
            try:
                more = await self.deliver() == _BATCH
            except Unavailable:
                more = False
            if not more:
                self._due.clear()
                try:
                    await asyncio.wait_for(self._due.wait(), _LOOK_EVERY)
                except TimeoutError:
                    continue
                # The message is visible once its transaction has ended.
                await asyncio.sleep(0.2)
