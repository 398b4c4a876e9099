"""Documents, tables and figures of what analysis computed."""
