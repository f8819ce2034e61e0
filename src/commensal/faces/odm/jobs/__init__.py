"""Import jobs and deletion: how curators bring data in and take it out (contracts/odm.md, "How files get in")."""
