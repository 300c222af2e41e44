"""Reads datasets out of files and writes them as Parquet parts. Pure: values in, values out."""
