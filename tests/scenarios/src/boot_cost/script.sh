# A GPU is whatever has a display controller on its device number.
modprobe vfio-pci disable_idle_d3=1
for f in /sys/bus/pci/devices/*; do
	case $(cat $f/class) in
	0x03*)
		for g in ${f%.*}.*; do
			address=$(basename $g)
			echo vfio-pci >$g/driver_override
			echo 0 >$g/d3cold_allowed
			if [ -e $g/driver ]; then
				echo $address >$g/driver/unbind
			fi
			echo $address >/sys/bus/pci/drivers/vfio-pci/bind
			if [ "$(basename $(readlink $g/driver))" != vfio-pci ]; then
				echo "$address is not on vfio-pci"
			fi
			echo on >$g/power/control
			if [ "$(cat $g/power_state)" != D0 ]; then
				echo "$address is not in D0"
			fi
		done
		;;
	esac
done
