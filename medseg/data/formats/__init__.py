"""Files of images that are not DICOM: volumes and pictures, with the text in them."""
