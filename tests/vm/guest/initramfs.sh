#!/bin/busybox sh
# First program of the guest, from the initramfs: mounts the read-only images under a writable
# overlay in memory and hands over to boot.sh there. Whatever fails here ends in a kernel panic,
# which ends QEMU.
set -e
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
# Some kernels have one or the other built in; mount says what is really missing.
for module in virtio_pci virtio_blk virtio_console overlay; do
  /sbin/modprobe -q "$module" || true
done
# virtio disks appear in the order of QEMU's command line: the system, npm's packages, this run.
/bin/busybox mount -t ext4 -o ro,noload /dev/vda /system
/bin/busybox mount -t ext4 -o ro,noload /dev/vdb /npm
/bin/busybox mount -t ext4 -o ro,noload /dev/vdc /run-image
/bin/busybox mount -t tmpfs -o size=90% tmpfs /memory
/bin/busybox mkdir /memory/upper /memory/work
/bin/busybox mount -t overlay -o lowerdir=/run-image:/npm:/system,upperdir=/memory/upper,workdir=/memory/work overlay /root
/bin/busybox mount -o move /dev /root/dev
/bin/busybox mount -o move /sys /root/sys
/bin/busybox mount -o move /proc /root/proc
exec /bin/busybox switch_root /root /bin/sh /usr/lib/clusternet-guest/boot.sh
