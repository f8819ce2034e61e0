"""Studies, samples, libraries, preparations and their links on the ODM door (contracts/odm.md, part b)."""
