#!/bin/sh
# A stand-in for kmod's modprobe that knows what there is to load, and never comes to the end of loading it.
if [ "$1" = --set-version ]; then
	echo "insmod /lib/modules/$2/$4.ko"
	exit
fi
exec sleep 600
