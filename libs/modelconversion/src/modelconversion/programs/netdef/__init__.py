"""Programs for Caffe2 nets."""
