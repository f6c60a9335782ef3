"""The grain graphs: shuffle, sample, mix, decode, batch, prefetch."""
