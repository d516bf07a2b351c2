"""Every write: one function, one transaction. A file per noun."""
