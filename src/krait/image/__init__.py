"""What goes into an image: the files a host program needs, the ROFS writer, the cache.

`krait.image.prepare.prepare_image` is the front door. Nothing is imported here, because a cached
run pays for every import (see `krait.image.fast_path`).
"""
