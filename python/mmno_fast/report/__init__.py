"""How reports look: as text in a terminal, as JSON, as HTML in a notebook."""
