"""Values that answers are made of."""
