"""From pixels to a score: preprocess, tile, score, verdict, heat map."""
