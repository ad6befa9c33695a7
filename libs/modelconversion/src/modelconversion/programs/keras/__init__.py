"""Programs for Keras models, in HDF5 files too."""
