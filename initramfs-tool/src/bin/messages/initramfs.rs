//! `reseat initramfs`.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[
    ("claim-program-missing", "{subject} is not there"),
    (
        "initramfs-builder-missing",
        "no program is found that makes an initramfs ({known})",
    ),
    ("initramfs-builder-not-installed", "{subject} is not installed"),
    (
        "initramfs-builder-ambiguous",
        "{builders} are installed, and it does not show which of them made the image",
    ),
    (
        "mkinitcpio-too-old",
        "mkinitcpio would not read /etc/mkinitcpio.conf.d: it is older than version 38",
    ),
    (
        "mkinitcpio-configuration-named",
        "mkinitcpio would not read /etc/mkinitcpio.conf.d: {subject} names a configuration of its own",
    ),
    (
        "mkinitcpio-options-unclear",
        "{subject} has {option} that only a shell understands",
    ),
    ("running-kernel-unknown", "it cannot be seen which kernel runs"),
    ("no-kernel-with-image", "no installed kernel has an initramfs"),
    (
        "kernel-not-installed",
        "kernel {subject} is not installed; there are: {installed}",
    ),
    ("image-not-found", "kernel {subject} has no initramfs at {places}"),
    (
        "image-shared",
        "it does not show whether {subject} is the initramfs of kernel {kernel} or of {other}",
    ),
    (
        "images-by-sdbootutil",
        "sdbootutil puts this machine's images on the boot loader's partition, under names of its own",
    ),
    ("image-directory-read-only", "{subject} is mounted read-only"),
    (
        "image-space-short",
        "{subject} has {free_mib} MiB free, and the new images beside the present ones may need {needed_mib}",
    ),
    ("system-by-ostree", "this system is deployed by ostree"),
    (
        "system-by-bootc",
        "this system is a container's image, deployed by bootc",
    ),
    ("unified-images", "this machine boots unified kernel images ({signs})"),
    (
        "unified-images-signed",
        "this machine boots unified kernel images ({signs}), which the firmware wants signed",
    ),
    (
        "disk-bound-to-registers",
        "{subject} is bound to TPM register {registers} ({by}), which another initramfs changes: the next boot waits for a \
         passphrase",
    ),
    (
        "disk-bound-to-pcrlock",
        "{subject} is bound to a policy of systemd-pcrlock, which another initramfs breaks: the next boot waits for a \
         passphrase",
    ),
    (
        "disk-binding-unknown",
        "it is not known whether {subject} still opens by itself after a change of the initramfs: {cause}",
    ),
    (
        "disks-unknown",
        "it is not known whether encrypted disks still open by themselves after a change of the initramfs: {cause}",
    ),
    ("initramfs-file-failed", "cannot {action} {subject}: {cause}"),
    ("initramfs-state-failed", "{cause}"),
    ("initramfs-record-unreadable", "{subject} cannot be understood: {cause}"),
    ("initramfs-program-failed", "{subject}: {cause}"),
    ("image-unreadable", "cannot look into {subject}: {cause}"),
    (
        "new-image-incomplete",
        "the new image for kernel {subject} is not as it has to be",
    ),
    ("initramfs-builder-warned", "its builder has warned:\n{output}"),
    (
        "new-image-has-claim",
        "the new image for kernel {subject} still has reseat-claim: something else than {builder}'s own files brings it",
    ),
    (
        "initramfs-not-installed",
        "nothing of reseat is installed for the initramfs",
    ),
    ("initramfs-not-undone", "what had been done could not be undone"),
    (
        "other-builders-installed",
        "{subject} is used; {others} is installed as well (--builder chooses)",
    ),
    (
        "other-images-stay",
        "the images of {kernels} stay as they are until they are built anew (--all takes them along)",
    ),
    (
        "rules-file-missing",
        "there is no {subject}: only what the kernel command line names will be claimed",
    ),
    ("builder-file-copied", "{subject} had been changed; a copy is {copy}"),
    ("kept-name-taken", "{subject} was there already; it is {new_name} now"),
    (
        "boot-copy-outdated",
        "the boot loader boots {subject}, which is not the image of kernel {kernel}",
    ),
    ("image-rebuilt-too", "{subject} was built anew as well"),
    (
        "image-lost",
        "{subject} is not there; {kept}, the one from before, stays",
    ),
    (
        "kept-image-unknown",
        "{subject} is not known from an installation, and stays",
    ),
    ("image-left-unread", "{cause}; it is left as it is"),
    (
        "unified-images-unverified",
        "unified kernel images are not looked into ({signs})",
    ),
    ("installation-cut-off", "an installation was cut off"),
    ("builder-file-of-other-version", "{subject}: of another version"),
    ("builder-file-changed", "{subject} was changed by somebody"),
    ("builder-file-missing", "{subject}: missing"),
    (
        "image-builder-unknown",
        "cannot look into {subject}: it is not known who has made it",
    ),
    ("image-without-claim", "{subject}: reseat-claim is not in it"),
    (
        "image-program-differs",
        "{subject}: its reseat-claim is not the one on this machine",
    ),
    (
        "image-rules-missing",
        "{subject}: the rules (/etc/reseat/reseat.toml) are not in it",
    ),
    (
        "image-rules-differ",
        "{subject}: its rules are not those in /etc/reseat/reseat.toml",
    ),
    (
        "image-quarantine-differs",
        "{subject}: its list of GPUs out of service is not the one on this machine",
    ),
    ("image-module-missing", "{subject}: the module {module} is not in it"),
    (
        "image-modprobe-by-busybox",
        "{subject}: its modprobe is busybox's, which ignores soft dependencies: kmod's has to be in it",
    ),
    ("image-modprobe-missing", "{subject}: modprobe is not in it"),
    (
        "image-module-list-missing",
        "{subject}: modules.dep is not in it, without which modprobe finds no module: is depmod there?",
    ),
    (
        "image-script-missing",
        "{subject}: reseat-claim would not run before drivers are loaded: its script is not in the image, or cannot be run",
    ),
    (
        "image-script-not-ordered",
        "{subject}: reseat-claim would not run before drivers are loaded: its script is not in the order of scripts",
    ),
    (
        "image-script-after-udev",
        "{subject}: reseat-claim would not run before drivers are loaded: its script comes after udev's",
    ),
    (
        "image-unit-missing",
        "{subject}: reseat-claim would not run before drivers are loaded: its unit is not in the image",
    ),
    (
        "image-unit-not-started",
        "{subject}: reseat-claim would not run before drivers are loaded: its unit is in the image, and nothing starts it",
    ),
    (
        "image-dracut-hook-missing",
        "{subject}: reseat-claim would not run before drivers are loaded: its hook is not in the image",
    ),
    (
        "image-mkinitcpio-hook-missing",
        "{subject}: reseat-claim would not run before drivers are loaded: its hook is not in the image: is `udev` or `systemd` \
         in HOOKS?",
    ),
    (
        "image-mkinitcpio-hook-not-early",
        "{subject}: reseat-claim would not run before drivers are loaded: its hook is not among the early ones",
    ),
    (
        "image-mkinitcpio-hook-after-udev",
        "{subject}: reseat-claim would not run before drivers are loaded: its hook comes after udev's",
    ),
];

pub(super) const STEPS: &[Steps] = &[
    (
        "correct-rules-first",
        &["correct the rules first; `reseat rules check` shows what each of them would claim"],
    ),
    ("install-all-files", &["install all of reseat's files"]),
    (
        "use-other-builder",
        &[
            "with another one (Alpine's mkinitfs, NixOS): have it take up /usr/sbin/reseat-claim, and run it before udev",
        ],
    ),
    ("name-installed-builder", &["name one that is, or leave out --builder"]),
    ("name-builder", &["say which one with --builder"]),
    (
        "build-with-sdbootutil",
        &[
            "reseat initramfs install --files-only",
            "sdbootutil mkinitrd",
            "boot, and see `reseat report`; `reseat=off` on the kernel command line, or the snapshot before, goes back",
        ],
    ),
    (
        "remount-writable",
        &["mount it for writing: mount -o remount,rw {subject}"],
    ),
    (
        "edit-mkinitcpio-hooks",
        &[
            "reseat edits no configuration of yours: put `reseat` before `udev` in its HOOKS, or `sd-reseat` behind `systemd`",
            "reseat initramfs install --files-only",
            "keep the present image: cp /boot/initramfs-linux.img /boot/initramfs-linux.img.before-reseat",
            "mkinitcpio -P, and look into the images: reseat initramfs status",
        ],
    ),
    (
        "build-with-mkinitcpio",
        &[
            "reseat initramfs install --files-only",
            "keep the present image: cp /boot/initramfs-linux.img /boot/initramfs-linux.img.before-reseat",
            "mkinitcpio -P, and look into the images: reseat initramfs status",
        ],
    ),
    (
        "mount-boot-or-name-kernel",
        &[
            "mount the partition with the kernels (/boot, /efi), if it is not",
            "name the kernel with --kernel VERSION",
        ],
    ),
    (
        "reboot-or-name-kernel",
        &[
            "if a newer kernel has been installed since the boot: reboot first",
            "or name the kernel with --kernel VERSION",
        ],
    ),
    (
        "remove-other-modules",
        &["remove what is left of the other kernel in /lib/modules"],
    ),
    (
        "find-image",
        &[
            "mount its partition (/boot, /efi), if it is not",
            "if a newer kernel has been installed since the boot: reboot first, or name it with --kernel VERSION",
            "if it lies elsewhere (limine, your own scripts): reseat initramfs install --files-only, and build it as your \
             distribution does; after the boot, `reseat report` says what came of it",
            "if there is none yet, have your distribution make one first",
        ],
    ),
    ("remove-kernels", &["remove kernels that you do not need"]),
    (
        "build-ostree",
        &[
            "nothing in /usr is written here; have the system's builder do it",
            "in the tree's definition: add reseat's files, dracut's module among them, and run dracut for its kernel",
            "without one of your own: layer a package of reseat, `rpm-ostree initramfs --enable`, and \
             `rpm-ostree initramfs-etc --track=/etc/reseat/reseat.toml`",
            "the deployment before stays in the boot menu; `rpm-ostree rollback` goes back",
        ],
    ),
    (
        "build-bootc",
        &[
            "nothing in /usr is written here; have the image's build do it, in its Containerfile:",
            "COPY the tree of `cargo xtask dist` to /, and your rules to /etc/reseat/reseat.toml",
            "RUN kernel=$(ls /usr/lib/modules) && dracut --force --no-hostonly --reproducible \
             /usr/lib/modules/$kernel/initramfs.img $kernel",
            "the deployment before stays in the boot menu; `bootc rollback` goes back",
        ],
    ),
    (
        "build-unified",
        &[
            "keep the present image: copy the .efi file under another name in the same directory, it becomes an entry of its \
             own",
            "reseat initramfs install --files-only",
            "build anew as your distribution does, which signs as well: `kernel-install add VERSION KERNEL`, `mkinitcpio -P`, \
             or `dracut --uefi --force`",
            "if this machine does not boot from those images: --force",
        ],
    ),
    (
        "enroll-again",
        &[
            "have a passphrase or a recovery key at hand, and somebody who can enter it",
            "run again with --force, boot, and enroll the TPM anew (`systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto \
             --tpm2-pcrs=7 DISK`, or `clevis luks regen`)",
        ],
    ),
    (
        "read-binding",
        &[
            "run as root, or find out by hand: `cryptsetup luksDump DISK`",
            "if it is not bound to the TPM registers 4, 9 or 11 (with GRUB also 8), or somebody can enter its passphrase: \
             --force",
        ],
    ),
    (
        "move-record-away",
        &[
            "use the version of reseat that wrote it, or move it away: `reseat initramfs remove` then takes reseat out by \
             building the images anew",
        ],
    ),
    (
        "remove-changed-file",
        &["look at it and remove it by hand, or run again with --force, which keeps a copy"],
    ),
    (
        "copy-image",
        &["have it copied as your distribution does (`kernel-install add {kernel} /boot/vmlinuz-{kernel}`)"],
    ),
    ("rebuild-unified", &["build them anew as your distribution does"]),
    ("see-report", &["see `reseat report` after the boot"]),
    (
        "install-or-remove",
        &["run `reseat initramfs install` or `reseat initramfs remove`"],
    ),
    ("install-again", &["run `reseat initramfs install`"]),
    ("add-to-image", &["put it there (`reseat initramfs install`)"]),
    (
        "add-to-image-of-kernel",
        &["put it there (`reseat initramfs install --kernel {kernel}`)"],
    ),
    ("rebuild-image", &["build it anew (`reseat initramfs install`)"]),
    (
        "rebuild-image-of-kernel",
        &["build it anew (`reseat initramfs install --kernel {kernel}`)"],
    ),
];
