"""The database brought up to date at a start, and the sentences for a database that does not let us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from commensal.errors import SetupError
from commensal.storage.postgres.migrate import migrate

__all__ = ["bring_up"]


async def bring_up(
    dsn: str, *, foreign: bool, seconds: float = 0.0, tell: Callable[[str], None] = lambda _text: None
) -> bool:
    """Bring the schema up to date; return whether anything was missing.

    A ``foreign`` database (``--database``) gets some ``seconds`` to come up; ``tell`` hears, once, that it is waited
    for. Raises SetupError.
    """
    import asyncpg

    end = asyncio.get_running_loop().time() + seconds
    told = False
    while True:
        try:
            return await migrate(dsn)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise SetupError(f"--database: the server refuses the connection: {error}") from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise SetupError(
                f"--database: the role may not make the tables: {error}. It must own the database."
            ) from None
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError) as error:
            if not foreign or asyncio.get_running_loop().time() >= end:
                raise SetupError(f"The database cannot be reached: {error}") from None
            if not told:
                told = True
                tell(f"The database cannot be reached yet ({error}); trying for {seconds:.0f} s.")
            await asyncio.sleep(1)
