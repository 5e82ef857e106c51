"""The Review page's parts, one module a view; only the chosen view is computed."""
