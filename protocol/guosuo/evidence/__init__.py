"""Evidence: documents of health systems, read strictly and reduced to one integer."""
