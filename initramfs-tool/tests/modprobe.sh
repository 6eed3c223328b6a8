#!/bin/sh
# A stand-in for kmod's modprobe: what it says of the modules of any kernel, of which one variant of vfio-pci brings xe.
[ "$1 $3" = '--set-version --show-depends' ] || exit 2
echo "insmod /lib/modules/$2/vfio.ko"
[ "$4" != xe_vfio_pci ] || echo "insmod /lib/modules/$2/xe.ko"
echo "insmod /lib/modules/$2/$(echo "$4" | tr _ -).ko"
