"""Programs for Caffe models."""
