"""Embedded data: photograph-like scenes and counterparts that went through up-sampling decoders."""
