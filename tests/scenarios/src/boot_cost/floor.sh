modprobe vfio-pci disable_idle_d3=1
cd /sys/bus/pci/devices
for f in 0000:0[1-8]:00.[01]; do echo vfio-pci >$f/driver_override; done
for f in 0000:0[1-8]:00.[01]; do echo 0 >$f/d3cold_allowed; done
for f in 0000:0[1-8]:00.[01]; do echo $f >/sys/bus/pci/drivers/vfio-pci/bind; done
for f in 0000:0[1-8]:00.[01]; do echo on >$f/power/control; done
