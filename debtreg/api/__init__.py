"""REST: `/api/v1/`. A file per noun, and beside them what all nouns share."""
