"""What all components are made with: the image and the decorator."""

import functools
import os

from kfp import dsl

from medseg import __version__

OWN_IMAGE = f"medseg:{__version__}"
IMAGE = os.environ.get("MEDSEG_IMAGE", OWN_IMAGE)

# the image holds medseg and kfp, so nothing is installed when a pod starts
component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
