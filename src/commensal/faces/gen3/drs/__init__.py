"""GA4GH DRS 1.5 over the index (contracts/gen3.md 3.5, 7.1): every file is an object."""
