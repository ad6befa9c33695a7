"""One module for each model format, with a function `load`. A module is imported only if its format is served."""
