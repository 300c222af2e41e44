"""The Hugging Face Hub: what a repository holds, and getting its files. Pure: no Django."""
