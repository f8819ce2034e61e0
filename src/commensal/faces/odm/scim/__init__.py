"""Accounts and groups on the ODM door: SCIM 2.0 (RFC 7643, RFC 7644; contracts/odm.md, part b)."""
