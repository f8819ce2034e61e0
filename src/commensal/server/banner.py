"""What ``serve`` says to the person who started it: pretty at a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from commensal.server.settings import Settings

__all__ = ["Banner"]


def _program() -> str:
    """Return how this program can be called again: its name where the shell finds it, else its path."""
    own = Path(sys.argv[0])
    found = shutil.which("commensal")
    if own.name != "commensal" or (found is not None and Path(found).resolve() == own.resolve()):
        return "commensal"
    return shlex.quote(sys.argv[0])


class Banner:
    """Messages of one start, on standard output; warnings on standard error."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self._terminal = sys.stdout.isatty()
        self._accounts: list[dict[str, str]] | None = None
        self._ready = False

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._terminal else text

    def _faint(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._terminal else text

    def _say(self, *lines: str) -> None:
        print(*lines, sep="\n", flush=True)  # noqa: T201 - this is what the user reads

    def note(self, text: str) -> None:
        """Say one sentence."""
        self._say(text)

    def warn(self, text: str) -> None:
        """Say one sentence of warning."""
        print(f"warning: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def ready(self) -> None:
        """Say where the commons is; in a demo this waits for the accounts, which come a moment later."""
        self._ready = True
        settings = self.settings
        if settings is None:
            return
        self._say("", f"commensal is ready at {self._bold(settings.url)}", self._faint(f"data: {settings.data}"))
        if settings.demo:
            self._show_accounts()
        else:
            self._next_steps(settings)

    def demo(self, accounts: list[dict[str, str]]) -> None:
        """Say who may sign in."""
        self._accounts = accounts
        if self._ready:
            self._show_accounts()

    def _show_accounts(self) -> None:
        if self._accounts is None or self.settings is None:
            return
        width = max(len(account["email"]) for account in self._accounts)
        self._say("", "Demo accounts (new passwords at every start):")
        for account in self._accounts:
            self._say(f"  {account['email']:<{width}}  {self._bold(account['password'])}  {account['role']}")
        self._next_steps(self.settings)

    def _next_steps(self, settings: Settings) -> None:
        data = f" --data {shlex.quote(settings.data)}"
        program = _program()
        lines = ["", "Next steps:"]
        if not settings.demo:
            lines.append(f"  make an account     {program} admin{data} user add you@example.org --site-admin")
        lines += [
            f"  look around         open {settings.url}/ and sign in",
            f"  import a GEO series {program} import geo GSE781_family.soft.gz{data}",
            f"  read about the API  {settings.url}/docs/",
            "Ctrl-C stops it.",
        ]
        self._say(*lines)
