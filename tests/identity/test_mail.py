"""E-mail through a real SMTP server: in the transaction or not at all, TLS, tries, giving up."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from commensal.core.principals import Principal
from commensal.errors import SetupError
from commensal.services.identity import operator
from commensal.services.mail import SmtpServer
from tests.identity.conftest import PASSWORD, Build, MovableClock, Site
from tests.identity.smtp import certificates, smtp_server


async def outbox(site: Site) -> list[dict[str, object]]:
    async with site.database.read() as unit:
        return [dict(row) for row in await unit.rows("select * from outbox order by id")]


async def test_an_invitation_arrives(build: Build, nobody: Principal) -> None:
    async with smtp_server() as server:
        site = await build(smtp_url=f"smtp://127.0.0.1:{server.port}?from=commons@example.org")
        invitation = await site.identity.invite(operator(), "eve@example.org", name="Ève")
        assert await site.mail.deliver() == 1
        assert await site.mail.deliver() == 0
        (received,) = server.inbox
    assert received.recipients == ["eve@example.org"]
    assert received.message["From"] == "commons@example.org"
    assert received.message["To"] == "eve@example.org"
    text = received.message.get_content()
    assert invitation.link in text
    (row,) = await outbox(site)
    assert row["sent"] is not None
    assert row["body"] == ""  # the link is nowhere in the database any more


async def test_background_delivery(build: Build) -> None:
    async with smtp_server() as server:
        site = await build(smtp_url=f"smtp://127.0.0.1:{server.port}")
        running = asyncio.create_task(site.mail.run())
        try:
            user = await site.person()
            await site.identity.reset_link(operator(), user.seq)
            for _ in range(200):
                if server.inbox:
                    break
                await asyncio.sleep(0.05)
        finally:
            running.cancel()
        assert [received.recipients for received in server.inbox] == [[user.email]]


async def test_nothing_goes_out_for_what_did_not_happen(build: Build) -> None:
    async with smtp_server() as server:
        site = await build(smtp_url=f"smtp://127.0.0.1:{server.port}")

        async def refused_later() -> None:
            async with site.database.begin() as unit:
                await site.mail.send(unit, "eve@example.org", "Hello", "text")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await refused_later()
        assert await site.mail.deliver() == 0
        assert server.connections == 0


async def test_tries_and_giving_up(build: Build, clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    async with smtp_server(refuse=1_000) as server:
        site = await build(smtp_url=f"smtp://127.0.0.1:{server.port}")
        await site.identity.invite(operator(), "eve@example.org")
        tries = 0
        while (await outbox(site))[0]["due"] is not None:
            assert await site.mail.deliver() == 0
            tries += 1
            assert await site.mail.deliver() == 0  # not due yet
            clock.move(days=1)
        assert tries == server.connections == 8
        (row,) = await outbox(site)
        assert "451" in str(row["error"])
        assert (row["sent"], row["body"]) == (None, "")
        assert any(record.levelno == logging.ERROR for record in caplog.records)

        await site.identity.invite(operator(), "bob@example.org")
        server.refuse = 1
        assert await site.mail.deliver() == 0
        clock.move(minutes=1)
        assert await site.mail.deliver() == 1
    await site.identity.invite(operator(), "ida@example.org")
    assert await site.mail.deliver() == 0  # nobody listens any more
    assert (await outbox(site))[-1]["error"]


async def test_two_processes_send_each_message_once(build: Build) -> None:
    async with smtp_server() as server:
        url = f"smtp://127.0.0.1:{server.port}"
        sites = [await build(smtp_url=url) for _ in range(2)]
        for n in range(12):
            await sites[0].identity.invite(operator(), f"person{n}@example.org")
        sent = await asyncio.gather(*(site.mail.deliver() for site in sites))
        assert sum(sent) == 12
        assert len({received.recipients[0] for received in server.inbox}) == len(server.inbox) == 12


@pytest.mark.parametrize("mode", ["smtps", "starttls"])
async def test_tls(build: Build, tmp_path: Path, mode: str) -> None:
    ours, trusting = certificates(tmp_path)
    how = {"tls": ours} if mode == "smtps" else {"starttls": ours}
    async with smtp_server(**how, account=("commons", "pass word@1")) as server:
        scheme, option = ("smtps", "") if mode == "smtps" else ("smtp", "?starttls=require")
        address = f"{scheme}://commons:pass%20word%401@127.0.0.1:{server.port}{option}"
        site = await build(smtp_url=address, tls=trusting)
        await site.identity.invite(operator(), "eve@example.org")
        assert await site.mail.deliver() == 1
        (received,) = server.inbox
        assert (received.secure, received.user) == (True, "commons")
        # A certificate that nobody vouches for is refused.
        distrusting = await build(smtp_url=address)
        await distrusting.identity.invite(operator(), "bob@example.org")
        assert await distrusting.mail.deliver() == 0
        assert "certificate" in str((await outbox(site))[-1]["error"]).lower()


async def test_no_password_without_tls(build: Build, clock: MovableClock) -> None:
    async with smtp_server(account=("commons", "secret")) as server:
        site = await build(smtp_url=f"smtp://commons:secret@127.0.0.1:{server.port}")
        await site.identity.invite(operator(), "eve@example.org")
        assert await site.mail.deliver() == 0
        assert "starttls=no" in str((await outbox(site))[0]["error"])
        demanding = await build(smtp_url=f"smtp://127.0.0.1:{server.port}?starttls=require")
        clock.move(days=1)
        assert await demanding.mail.deliver() == 0
        plain = await build(smtp_url=f"smtp://commons:secret@127.0.0.1:{server.port}?starttls=no")
        clock.move(days=1)
        assert await plain.mail.deliver() == 1
        assert server.inbox[0].user == "commons"


async def test_without_a_server_nothing_is_stored(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "commensal.mail")
    assert not site.mail.configured
    invitation = await site.identity.invite(operator(), "eve@example.org")
    assert await outbox(site) == []
    assert any(invitation.link in record.getMessage() for record in caplog.records)
    assert await site.mail.deliver() == 0
    await site.mail.run()


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://x", "smtp://", "smtp://h:port", "smtp://h?tls=1", "smtp://h?starttls=maybe"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SetupError):
        SmtpServer.parse(url)


def test_ports() -> None:
    assert SmtpServer.parse("smtp://h").port == 25
    assert SmtpServer.parse("smtp://u:p@h").port == 587
    assert SmtpServer.parse("smtps://h").port == 465
    assert "secret" not in repr(SmtpServer.parse("smtp://u:secret@h"))
    assert PASSWORD
