#!/usr/bin/busybox sh
# The init of an image that no builder made: what that of initramfs-tools does, in its order, as far as the bed needs it.

/usr/bin/busybox mkdir -p /bin /sbin /dev /proc /root /run /sys /tmp
/usr/bin/busybox ln -s usr/lib /lib
/usr/bin/busybox mount -t proc proc /proc
/usr/bin/busybox --install -s
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run

for script in /usr/share/initramfs-tools/scripts/init-top/*; do
	[ ! -x "$script" ] || "$script"
done

# As udev does: what is made for a device that is there.
modprobe -qa $(cat /sys/bus/*/devices/*/modalias | sort -u)

modprobe ext4
while [ ! -b /dev/vda ]; do
	sleep 0.1
done
mount -t ext4 -o ro /dev/vda /root
for point in dev proc run sys; do
	mount --move /$point /root/$point
done
exec switch_root /root /sbin/init
