#!/bin/sh
# Process 1 of the guest: sets the system up, runs the command of this run, hands its exit code
# and /out to the host through virtio ports of their own, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root USER=root LANG=C.UTF-8
here=/usr/lib/clusternet-guest

mkdir -p /dev/pts /dev/shm /dev/virtio-ports /sys/fs/cgroup /run /tmp /out /root
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf /dev/fd/0 /dev/stdin
ln -sf /dev/fd/1 /dev/stdout
ln -sf /dev/fd/2 /dev/stderr
chmod 1777 /tmp
# As servers have it; and no core files.
ulimit -c 0
ulimit -n 65536
hostname guest
ip link set lo up

# udev would name the ports; there is none.
for port in /sys/class/virtio-ports/*; do
  ln -s "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
done

if [ -e $here/interactive ]; then
  # shellcheck disable=SC1091
  setsid -c sh $here/command </dev/ttyS0 >/dev/ttyS0 2>&1
else
  setsid sh $here/command </dev/null >/dev/virtio-ports/output 2>&1
fi
echo "exit $?" >/dev/virtio-ports/result
if [ -n "$(ls -A /out)" ]; then
  tar -C /out -cf /dev/virtio-ports/out . || echo "Cannot hand over /out" >/dev/kmsg
fi
poweroff -f
