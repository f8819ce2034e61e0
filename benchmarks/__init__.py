"""What is measured, each as a ratio to a floor of the same run; ``make bench`` runs all of it."""
