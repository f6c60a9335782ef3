"""From bytes on disk to uint8 batches; knows nothing of models."""
