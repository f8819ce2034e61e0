"""Graph queries compiled to SQL: one statement for each root field, whose one value is JSON text."""
