"""The GraphQL routes without HTTP: a body in, a status and a body out (contracts/gen3.md 5.1)."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary

from commensal.core.principals import Principal
from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.plans import Refused, Schema
from commensal.services.dictionaries import Dictionaries
from commensal.services.graph import GraphQueries

__all__ = ["Endpoint", "GraphServices", "answer", "endpoint", "getschema"]


class GraphServices(Protocol):
    """The services that queries need."""

    @property
    def graph(self) -> GraphQueries:
        """Graph queries."""
        ...

    @property
    def dictionaries(self) -> Dictionaries:
        """The dictionary in use."""
        ...


class Endpoint:
    """One for each process: remembers the schema of the dictionary in use and the plans of its queries."""

    def __init__(self, graph: GraphQueries, dictionaries: Dictionaries) -> None:
        self._graph = graph
        self._dictionaries = dictionaries
        self._schema: Schema | None = None

    async def schema(self) -> Schema:
        """Return the schema of the dictionary in use."""
        dictionary = (await self._dictionaries.current()).dictionary
        schema = self._schema
        if schema is None or schema.dictionary is not dictionary:
            if schema is not None and schema.dictionary.version_hash == dictionary.version_hash:
                return schema
            schema = self._schema = Schema(dictionary, self._graph.prepare)
        return schema

    async def answer(self, body: bytes, principal: Principal) -> tuple[int, bytes]:
        """Answer one request: 200 with data, 400 with errors, which are texts.

        Raises Unauthenticated where the caller may not ask at all, and Unavailable when the database is away.
        """
        schema = await self.schema()
        try:
            plan = schema.plan(body)
        except Refused as error:
            return 400, error.body()
        try:
            answers = await self._graph.answer(principal, plan.prepared)
        except TooLarge as error:
            return 400, Refused([error.message]).body()
        return plan.status, plan.fill(answers)

    async def getschema(self) -> bytes:
        """Return the introspection of the schema as a JSON file."""
        return (await self.schema()).getschema()


_endpoints: WeakKeyDictionary[GraphQueries, Endpoint] = WeakKeyDictionary()


def endpoint(services: GraphServices) -> Endpoint:
    """Return the endpoint of a process's services."""
    found = _endpoints.get(services.graph)
    if found is None:
        found = _endpoints[services.graph] = Endpoint(services.graph, services.dictionaries)
    return found


async def answer(body: bytes, principal: Principal, services: GraphServices) -> tuple[int, bytes]:
    """Answer one request; see :meth:`Endpoint.answer`."""
    return await endpoint(services).answer(body, principal)


async def getschema(services: GraphServices) -> bytes:
    """Return the body of ``getschema``."""
    return await endpoint(services).getschema()
