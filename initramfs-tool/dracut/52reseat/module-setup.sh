#!/bin/bash
# Puts reseat-claim, its rules, the quarantine and the vfio modules into dracut's image. Installed as
# /usr/lib/dracut/modules.d/52reseat/module-setup.sh.
#
# Nothing here stops the image from being built: a machine without an initramfs does not boot, one without the claim does.

reseat_warn() {
    dwarn "reseat: $*; no GPU will be claimed at boot"
}

# The files that modprobe would load for a module.
reseat_depends() {
    modprobe -d "${dracutsysrootdir:-/}" --set-version "$kernel" --show-depends "$1" 2> /dev/null \
        | sed -n 's/^insmod \([^ ]*\).*/\1/p'
}

# The variants of vfio-pci that this kernel has, some of which are made for GPUs. One that brings more along than vfio-pci
# does stays out: that may be the driver which the claim is to come before. Without its variant a function gets vfio-pci.
reseat_variants() {
    local own variant file more
    own=" $(reseat_depends vfio_pci | tr '\n' ' ')"
    for variant in $(sed -n 's/^alias vfio_pci:[^ ]* //p' "$1" 2> /dev/null | sort -u); do
        more=0
        for file in $(reseat_depends "$variant"); do
            [[ $own == *" $file "* ]] || more=$((more + 1))
        done
        # Itself.
        if ((more == 1)); then
            echo "$variant"
        fi
    done
}

# called by dracut
check() {
    [[ $mount_needs ]] && return 1
    # The kernel that saves the memory of a crashed one is to do that and nothing else.
    [[ " ${add_dracutmodules-} ${force_add_dracutmodules-} " == *" kdumpbase "* ]] && return 1
    require_binaries /usr/sbin/reseat-claim || return 1
    return 0
}

# called by dracut
depends() {
    return 0
}

# called by dracut
installkernel() {
    # Without the empty `hostonly`, an image for this machine gets them only if they are in use while it is built.
    # shellcheck disable=SC2046,SC2154
    hostonly='' instmods vfio_pci vfio_iommu_type1 $(reseat_variants "$srcmods/modules.alias")
    # A module that is missing is passed over without a word, so ask for the one that matters.
    if [[ $no_kernel != yes ]] && ! check_kernel_module vfio_pci; then
        reseat_warn "kernel $kernel has no vfio-pci"
    fi
}

# called by dracut
install() {
    local etc=/etc/reseat quarantine=/var/lib/reseat/quarantine.json root=$dracutsysrootdir applet

    inst_binary /usr/sbin/reseat-claim || reseat_warn "/usr/sbin/reseat-claim could not be copied"

    # dracut's busybox module puts its own modprobe there, which knows neither soft dependencies nor what kmod's has for
    # variants. Whatever is there is not copied again.
    for applet in "$initdir"/{,usr/}{sbin,bin}/modprobe; do
        if [[ -L $applet && $(readlink "$applet") == *busybox* ]]; then
            rm -f -- "$applet"
        fi
    done
    inst_multiple modprobe

    if [[ -e $root$etc/reseat.toml || -L $root$etc/reseat.toml ]]; then
        inst_simple "$etc/reseat.toml" || reseat_warn "$etc/reseat.toml could not be copied"
    fi

    # Which GPUs are out of service now. A file that is damaged is for the boot to report; one that is not brought is for
    # reseat-quarantine.service, later than it should be.
    if [[ -e $root$quarantine || -L $root$quarantine ]]; then
        inst_simple "$quarantine" "$etc/quarantine.json" \
            || dwarn "reseat: $quarantine could not be copied; what it names is isolated late"
    fi

    # One of the two, so that it runs once. Where systemd is, nothing orders dracut's hooks against modules-load.d. Where it is
    # not, rd.driver.pre= is served among the cmdline hooks, before those of pre-udev.
    if dracut_module_included systemd; then
        inst_simple "$systemdsystemunitdir/reseat-claim.service" \
            || reseat_warn "$systemdsystemunitdir/reseat-claim.service could not be copied"
        $SYSTEMCTL -q --root "$initdir" add-wants sysinit.target reseat-claim.service \
            || reseat_warn "reseat-claim.service could not be enabled"
    else
        inst_hook cmdline 00 "$moddir/reseat-claim.sh"
    fi
}
