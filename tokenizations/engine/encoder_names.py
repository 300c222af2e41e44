"""What the two encoders are called: in the database, in manifests, and on pages."""

FAST, REFERENCE = "fastokens", "tokenizers"
