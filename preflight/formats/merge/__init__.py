"""Several vantages on one deployment."""
