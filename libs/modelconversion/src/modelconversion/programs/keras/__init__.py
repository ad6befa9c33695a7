"""Programs for Keras models, including HDF5 files."""
