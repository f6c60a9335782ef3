"""From folders of image files to data sets: catalogue, walk, check, convert.

The walk itself, which `predict` shares, is `input_pipeline.images.file_tree.walk_files`.
"""
