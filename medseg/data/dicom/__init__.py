"""DICOM archives: what their files say, which images and references they make, and their voxels."""
