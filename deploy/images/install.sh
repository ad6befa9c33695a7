#!/bin/sh
# Installs the packages of an image into /opt/klever, with their bill of materials (CycloneDX).
#   install.sh SERVICE [TOOLCHAINS]
set -eu
service=$1 toolchains=${2:-} without='' environment=/opt/klever bill=/opt/klever/sbom.cdx.json
recipes=libs/modelconversion/src/modelconversion/toolchains/requirements

# A package that $without names is neither installed nor listed.
install_locked() {
  uv sync --quiet --frozen --no-dev --no-default-groups --no-editable "$@" ${without:+--no-install-package "$without"}
  uv export --quiet --frozen --no-dev --no-default-groups "$@" ${without:+--prune "$without"} \
    --format cyclonedx1.5 --output-file "$bill"
}

# All packages of a family are in its recipe, with those of the model server. Their versions are not those of uv.lock.
install_family() {
  shared=$(sed -n "s|^# with: |--requirements $recipes/|p" "$recipes/$1.txt")
  uv venv --quiet "$environment"
  # shellcheck disable=SC2086 # the option and its value are two words
  uv pip install --quiet --python "$environment" --require-hashes --no-build --no-deps \
    --requirements "$recipes/$1.txt" $shared
  uv pip install --quiet --python "$environment" --no-deps libs/kleverserve libs/modelfiles
  uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment "$environment" --output-file "$bill"
}

INSTALL_TOOLCHAIN='
import asyncio, pathlib, sys
from modelconversion.toolchains.store import ToolchainStore
asyncio.run(ToolchainStore(pathlib.Path(sys.argv[1])).ensure(sys.argv[2], print))'

install_toolchains() {
  for name in $toolchains; do
    "$environment/bin/python" -c "$INSTALL_TOOLCHAIN" "$environment/toolchains" "$name"
  done
}

case $service in
  gateway) # uses the HTTP server of kleverserve, and nothing that imports numpy
    without=numpy
    install_locked --package klever-gateway
    ;;
  klever) install_locked --package klever --extra platform ;;
  storage-initializer) install_locked --package ormb ;;
  kleverserve)
    if [ -n "$toolchains" ]; then install_family "$toolchains"; else install_locked --package kleverserve --extra onnx; fi
    ;;
  *)
    install_locked --package "klever-$service"
    install_toolchains
    ;;
esac

# Files that nothing uses at run time. Libraries in *.libs were changed by auditwheel; strip can damage them.
packages=$(echo "$environment"/lib/python3*/site-packages)
find "$packages" -name '*.so' ! -path '*.libs/*' -exec strip --strip-debug {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.map' -o -name '*.h' -o -name '*.pxd' \) -delete
find "$packages" -path '*/numpy/*' -type d -name tests -prune -exec rm -r {} +

# Bytecode, because the root file system is read-only. Templates of some packages are not valid Python.
"$environment/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages" >/dev/null || true
cp LICENSE "$environment/"
mkdir -p /data /volumes
# Volumes of docker-compose.yaml get their owner from directories of the image that is the first to mount them.
[ "$service" != klever ] || (
  cd /volumes
  mkdir accounts secrets toolchains nats-data prometheus-data grafana-data tempo-data \
    nats topology registry jobrunner deployer gateway prometheus grafana
)
