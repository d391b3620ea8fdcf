"""Reports from several vantages, merged."""
