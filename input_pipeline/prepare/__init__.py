"""From folders of image files to data sets: catalogue, walk, check, convert."""
