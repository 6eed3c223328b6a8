cd /sys/bus/pci/devices
for f in 0000:0[1-8]:00.[01]; do
	[ -e $f/driver ] && echo $f >$f/driver/unbind
	echo >$f/driver_override
	echo 1 >$f/d3cold_allowed
	echo on >$f/power/control
done
modprobe -r vfio-pci
