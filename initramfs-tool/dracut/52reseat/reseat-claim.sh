# Claims GPUs before udev. Sourced by dracut's init, in images without systemd; with it, reseat-claim.service does it.
#
# Whatever comes of it, the boot goes on. The outcome is in /run/reseat/claim.json and in the kernel log.
/usr/sbin/reseat-claim > /dev/null || :
