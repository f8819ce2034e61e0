"""Fetching foreign addresses for imports: from hosts on a list only, by an address that was looked up once."""
