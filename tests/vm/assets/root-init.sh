#!/bin/busybox sh
# The first program of the real root: the initramfs has handed over /dev, /proc, /sys and /run.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C

has() { grep -q "^[^ ]* $1 " /proc/mounts; }

[ -e /proc/mounts ] || mount -t proc proc /proc
has /sys || mount -t sysfs sysfs /sys
has /dev || mount -t devtmpfs devtmpfs /dev
has /run || mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var

# The second serial port: on Arm's machines PL011s stand beside four names of a PC's ports that are not there.
port=/dev/ttyAMA1
[ -c $port ] || port=/dev/ttyS1

# Bytes pass as they are: the host reads markers out of them.
stty -F $port raw -echo
while :; do
	setsid sh -c 'printf "bed: ready\n"; exec sh' <$port >$port 2>&1
done
