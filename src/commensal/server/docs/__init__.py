"""The documents of every door, made from its route table: an OpenAPI file and a page."""
