"""Where tables come from: one module per kind of file, each with `header` and `read`; APIs; conversion to our types."""
