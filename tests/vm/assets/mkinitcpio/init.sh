#!/bin/ash
# A stand-in for mkinitcpio's busybox init, in the order that its documentation gives: early hooks, MODULES=, the root.

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
cp /tmp/sd-reseat.contents /run/

for word in $(cat /proc/cmdline); do
	case $word in
	disablehooks=*)
		for hook in $(echo "${word#*=}" | tr , ' '); do
			chmod 644 "/hooks/$hook"
		done
		;;
	esac
done

. /config
for hook in $EARLYHOOKS; do
	[ -x "/hooks/$hook" ] || continue
	. "/hooks/$hook"
	run_earlyhook
done

for module in $MODULES; do
	modprobe "$module"
done

while [ ! -b /dev/vda ]; do
	sleep 0.1
done
mount -t ext4 -o ro /dev/vda /new_root
for point in dev proc run sys; do
	mount --move /$point /new_root/$point
done
exec switch_root /new_root /sbin/init
