"""``commensal serve``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

__all__ = ["serve"]

Text = Optional[str]  # noqa: UP045 - read at run time by the command line on Python 3.11 to 3.14


def _option(name: str, text: str, metavar: str, panel: str | None = None) -> typer.models.OptionInfo:
    return typer.Option(name, help=text, metavar=metavar, show_default=False)


def serve(
    data: Annotated[Text, typer.Option("--data", metavar="DIR", help="Data folder [./commensal-data].")] = None,
    host: Annotated[Text, _option("--host", "Address to listen on [127.0.0.1].", "HOST")] = None,
    port: Annotated[Text, _option("--port", "Port to listen on; 0: any free one [8000].", "PORT")] = None,
    base_url: Annotated[Text, _option("--base-url", "Address that users see, behind a proxy.", "URL")] = None,
    workers: Annotated[Text, _option("--workers", "Number of worker processes [up to 4].", "N")] = None,
    database: Annotated[Text, _option("--database", "A PostgreSQL 15+ of yours, not the embedded one.", "DSN")] = None,
    blobs: Annotated[Text, _option("--blobs", "Folder for the bytes of files [DATA/blobs].", "URL")] = None,
    sql: Annotated[Text, _option("--sql", "SQL engine (not built yet).", "URL")] = None,
    dictionary: Annotated[
        Text, _option("--dictionary", "Gen3 dictionary: folder, JSON file or installed package.", "D")
    ] = None,
    tls: Annotated[Text, _option("--tls", "auto (self-signed), or two PEM files.", "CERT:KEY")] = None,
    plain_http: Annotated[
        Text, _option("--plain-http", "Requests over plain HTTP [redirect with TLS, else allow].", "RULE")
    ] = None,
    http_redirect_port: Annotated[
        Text, _option("--http-redirect-port", "Also listen here and redirect to https.", "PORT")
    ] = None,
    allow_fetch: Annotated[
        Text, _option("--allow-fetch", "Hosts that imports by link may fetch from [none].", "HOST,…")
    ] = None,
    anonymous: Annotated[
        Text, _option("--anonymous", "Whether callers without a credential see what is public [off].", "on|off")
    ] = None,
    registration: Annotated[
        Text, _option("--registration", "Who may make an account [invite].", "open|invite|closed")
    ] = None,
    self_service: Annotated[
        Text, _option("--self-service", "Whether users may open programs of their own [on].", "on|off")
    ] = None,
    allowed_hosts: Annotated[
        Text, _option("--allowed-hosts", "Further host names that links are made with.", "HOST,…")
    ] = None,
    trusted_proxy: Annotated[
        Text, _option("--trusted-proxy", "Networks whose X-Forwarded-* headers are believed.", "CIDR,…")
    ] = None,
    metrics_port: Annotated[
        Text, _option("--metrics-port", "Serve /metrics on this port of the loopback interface.", "PORT")
    ] = None,
    min_count: Annotated[
        Text, _option("--min-count", "Hide smaller counts from callers who may only count [5].", "N")
    ] = None,
    support_contact: Annotated[Text, _option("--support-contact", "Whom to ask.", "TEXT")] = None,
    smtp: Annotated[Text, _option("--smtp", "Mail server: smtp://user:password@host:587.", "URL")] = None,
    timezone: Annotated[Text, _option("--timezone", "Time zone of pages and reports [UTC].", "ZONE")] = None,
    quota: Annotated[Text, _option("--quota", "Bytes that one program may hold [no limit].", "SIZE")] = None,
    min_free: Annotated[Text, _option("--min-free", "Refuse writes below this much free disk [500MB].", "SIZE")] = None,
    user: Annotated[Text, _option("--user", "As root: leave root for this account first.", "NAME")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Try it out: demo accounts, this machine only.")] = False,
) -> None:
    """Run a commons on this machine: API, portal, workers and database.

    Each option is also an environment variable COMMENSAL_<OPTION>. What is given is kept in the data folder
    (all but --user and --demo; the dictionary in the database), so the next start, `admin` and `import` need
    only --data. An empty value (--base-url '') sets an option back.
    """
    values = {name: value for name, value in locals().items() if isinstance(value, str) and name != "data"}
    if demo:
        values["demo"] = "on"
    from commensal.server.serve import serve as run

    raise typer.Exit(run(data, values))
