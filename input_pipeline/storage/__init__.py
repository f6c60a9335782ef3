"""Records on disk: TFRecord shards, their index, data sets, files written whole."""
