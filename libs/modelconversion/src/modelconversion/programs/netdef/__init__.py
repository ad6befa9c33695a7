"""Programs for the nets of Caffe2."""
