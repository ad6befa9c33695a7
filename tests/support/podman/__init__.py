"""A container engine for tests that need real images: Debian's podman, with base images by debootstrap."""
