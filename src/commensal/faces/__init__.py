"""The doors: each folder knows one foreign API on the wire and speaks to the services only."""
