"""What every stage uses: tables and their schemas, paths, shop files, settings, text and figures."""
