"""One file per format; `modelformats.catalogue` lists them."""
