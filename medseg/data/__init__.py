"""Reading, checking, preprocessing and sampling of images and references."""
