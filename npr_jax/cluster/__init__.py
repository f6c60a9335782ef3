"""The detector on many machines: pictures in, Parquet out, by Ray Data."""
