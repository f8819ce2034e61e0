"""What every face needs on the wire: credentials, bodies, answers, ranges, paging, negotiation, routing."""
