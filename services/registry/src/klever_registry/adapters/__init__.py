"""Where blobs and manifests are kept."""
