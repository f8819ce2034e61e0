"""Users. Source: the document's ``User``; contract pangea.md a4."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex

__all__ = ["User"]


class User:
    """A user by e-mail address and password."""

    def __init__(self, knex: Knex, email: str, password: str) -> None:
        self.knex = knex
        self.email = email
        self.password = password

    def __repr__(self) -> str:
        return f"<Pangea::User {self.email} />"

    @property
    def username(self) -> str:
        """The e-mail address."""
        return self.email

    def login(self) -> User:
        """Log in: the connection carries this user's token from now on."""
        self.knex.login(self.email, self.password)
        return self

    def register(self) -> User:
        """Make the account, where the server lets people do so, and log in."""
        self.knex.post("auth/users/", json={"email": self.email, "password": self.password})
        return self.login()
