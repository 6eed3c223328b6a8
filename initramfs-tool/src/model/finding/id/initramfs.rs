//! Findings of `reseat initramfs`.

super::findings! {
    ids {
        // Refusals of an installation.
        /// `/usr/sbin/reseat-claim` is missing.
        CLAIM_PROGRAM_MISSING = "claim-program-missing";
        /// No program is installed that builds an initramfs. Facts: `known`.
        INITRAMFS_BUILDER_MISSING = "initramfs-builder-missing";
        /// The requested builder is not installed.
        INITRAMFS_BUILDER_NOT_INSTALLED = "initramfs-builder-not-installed";
        /// Several builders are installed, and the image shows no trace of one. Facts: `builders`.
        INITRAMFS_BUILDER_AMBIGUOUS = "initramfs-builder-ambiguous";
        /// mkinitcpio is too old to read drop-in files.
        MKINITCPIO_TOO_OLD = "mkinitcpio-too-old";
        /// A preset names a configuration, so mkinitcpio reads no drop-in files.
        MKINITCPIO_CONFIGURATION_NAMED = "mkinitcpio-configuration-named";
        /// A preset has options that only a shell understands. Facts: `option`.
        MKINITCPIO_OPTIONS_UNCLEAR = "mkinitcpio-options-unclear";
        /// The version of the running kernel cannot be read.
        RUNNING_KERNEL_UNKNOWN = "running-kernel-unknown";
        /// No installed kernel has an initramfs.
        NO_KERNEL_WITH_IMAGE = "no-kernel-with-image";
        /// A kernel is not installed. Facts: `installed`.
        KERNEL_NOT_INSTALLED = "kernel-not-installed";
        /// A kernel has no initramfs. Facts: `places`.
        IMAGE_NOT_FOUND = "image-not-found";
        /// Two kernels have the same initramfs. Facts: `kernel`, `other`.
        IMAGE_SHARED = "image-shared";
        /// sdbootutil puts the images on the boot loader's partition.
        IMAGES_BY_SDBOOTUTIL = "images-by-sdbootutil";
        /// The directory of the images is mounted read-only.
        IMAGE_DIRECTORY_READ_ONLY = "image-directory-read-only";
        /// The new images do not fit beside the present ones. Facts: `free_mib`, `needed_mib`.
        IMAGE_SPACE_SHORT = "image-space-short";
        /// ostree deploys the system.
        SYSTEM_BY_OSTREE = "system-by-ostree";
        /// bootc deploys the system.
        SYSTEM_BY_BOOTC = "system-by-bootc";
        /// The machine boots unified kernel images. Facts: `signs`.
        UNIFIED_IMAGES = "unified-images";
        /// The machine boots unified kernel images, with Secure Boot. Facts: `signs`.
        UNIFIED_IMAGES_SIGNED = "unified-images-signed";
        /// The key of an encrypted disk is bound to TPM registers that another initramfs changes. Facts: `registers`, `by`.
        DISK_BOUND_TO_REGISTERS = "disk-bound-to-registers";
        /// The key of an encrypted disk is bound to a policy of systemd-pcrlock.
        DISK_BOUND_TO_PCRLOCK = "disk-bound-to-pcrlock";
        /// The binding of an encrypted disk cannot be read. Facts: `cause`.
        DISK_BINDING_UNKNOWN = "disk-binding-unknown";
        /// The disks cannot be listed. Facts: `cause`.
        DISKS_UNKNOWN = "disks-unknown";


        // Errors of an installation or a removal.
        /// A file operation failed. Facts: `action`, `cause`.
        INITRAMFS_FILE_FAILED = "initramfs-file-failed";
        /// A file of reseat's state cannot be read or written. Facts: `cause`.
        INITRAMFS_STATE_FAILED = "initramfs-state-failed";
        /// The record of the installation is damaged, or of a newer version. Facts: `cause`.
        INITRAMFS_RECORD_UNREADABLE = "initramfs-record-unreadable";
        /// A builder, or a program that runs after it, failed. Facts: `cause`.
        INITRAMFS_PROGRAM_FAILED = "initramfs-program-failed";
        /// An image cannot be read. Facts: `cause`.
        IMAGE_UNREADABLE = "image-unreadable";
        /// A new image lacks something; the findings that follow name it.
        NEW_IMAGE_INCOMPLETE = "new-image-incomplete";
        /// The builder printed warnings. Facts: `output`.
        INITRAMFS_BUILDER_WARNED = "initramfs-builder-warned";
        /// An image that was built to be without reseat has it. Facts: `builder`.
        NEW_IMAGE_HAS_CLAIM = "new-image-has-claim";
        /// Nothing of reseat is installed for the initramfs.
        INITRAMFS_NOT_INSTALLED = "initramfs-not-installed";
        /// Changes could not be undone; the findings that follow name them.
        INITRAMFS_NOT_UNDONE = "initramfs-not-undone";

        // Warnings and notes of an installation or a removal.
        /// More than one builder is installed. Facts: `others`.
        OTHER_BUILDERS_INSTALLED = "other-builders-installed";
        /// The images of other kernels are not built now. Facts: `kernels`.
        OTHER_IMAGES_STAY = "other-images-stay";
        /// There is no rules file.
        RULES_FILE_MISSING = "rules-file-missing";
        /// A changed file was replaced or removed. Facts: `copy`.
        BUILDER_FILE_COPIED = "builder-file-copied";
        /// Another file had the name of the image to keep. Facts: `new_name`.
        KEPT_NAME_TAKEN = "kept-name-taken";
        /// The boot loader boots a copy that is not the kernel's image. Facts: `kernel`.
        BOOT_COPY_OUTDATED = "boot-copy-outdated";
        /// Another image of a kernel was rebuilt too.
        IMAGE_REBUILT_TOO = "image-rebuilt-too";
        /// An image is missing, so the kept one stays. Facts: `kept`.
        IMAGE_LOST = "image-lost";
        /// A kept image is in no record, and stays.
        KEPT_IMAGE_UNKNOWN = "kept-image-unknown";
        /// An image that cannot be read is left as it is. Facts: `cause`.
        IMAGE_LEFT_UNREAD = "image-left-unread";
        /// Unified kernel images are not verified. Facts: `signs`.
        UNIFIED_IMAGES_UNVERIFIED = "unified-images-unverified";

        // The status.
        /// An installation was cut off.
        INSTALLATION_CUT_OFF = "installation-cut-off";
        /// A file for the builder is from another version of reseat.
        BUILDER_FILE_OF_OTHER_VERSION = "builder-file-of-other-version";
        /// A file for the builder was changed.
        BUILDER_FILE_CHANGED = "builder-file-changed";
        /// A file for the builder is missing.
        BUILDER_FILE_MISSING = "builder-file-missing";
        /// An image shows no trace of its builder, and no builder is known.
        IMAGE_BUILDER_UNKNOWN = "image-builder-unknown";

        // Shortfalls of an image.
        /// reseat-claim is not in the image. Facts: `kernel`.
        IMAGE_WITHOUT_CLAIM = "image-without-claim";
        /// reseat-claim in the image is not the one of the machine, or is not executable. Facts: `kernel`.
        IMAGE_PROGRAM_DIFFERS = "image-program-differs";
        /// The rules are not in the image. Facts: `kernel`.
        IMAGE_RULES_MISSING = "image-rules-missing";
        /// The rules in the image are not those of the machine. Facts: `kernel`.
        IMAGE_RULES_DIFFER = "image-rules-differ";
        /// The quarantine in the image is not the one of the machine. Facts: `kernel`.
        IMAGE_QUARANTINE_DIFFERS = "image-quarantine-differs";
        /// A module is not in the image. Facts: `kernel`, `module`.
        IMAGE_MODULE_MISSING = "image-module-missing";
        /// modprobe is not in the image. Facts: `kernel`.
        IMAGE_MODPROBE_MISSING = "image-modprobe-missing";
        /// The image's modprobe is busybox's, which ignores soft dependencies. Facts: `kernel`.
        IMAGE_MODPROBE_BY_BUSYBOX = "image-modprobe-by-busybox";
        /// modules.dep is not in the image. Facts: `kernel`.
        IMAGE_MODULE_LIST_MISSING = "image-module-list-missing";
        /// The script for initramfs-tools is not in the image, or is not executable. Facts: `kernel`.
        IMAGE_SCRIPT_MISSING = "image-script-missing";
        /// The script for initramfs-tools is not in the order of scripts. Facts: `kernel`.
        IMAGE_SCRIPT_NOT_ORDERED = "image-script-not-ordered";
        /// The script for initramfs-tools runs after udev's. Facts: `kernel`.
        IMAGE_SCRIPT_AFTER_UDEV = "image-script-after-udev";
        /// The unit is not in the image. Facts: `kernel`.
        IMAGE_UNIT_MISSING = "image-unit-missing";
        /// Nothing starts the unit in the image. Facts: `kernel`.
        IMAGE_UNIT_NOT_STARTED = "image-unit-not-started";
        /// dracut's hook is not in the image. Facts: `kernel`.
        IMAGE_DRACUT_HOOK_MISSING = "image-dracut-hook-missing";
        /// mkinitcpio's hook is not in the image. Facts: `kernel`.
        IMAGE_MKINITCPIO_HOOK_MISSING = "image-mkinitcpio-hook-missing";
        /// mkinitcpio's hook is not an early one. Facts: `kernel`.
        IMAGE_MKINITCPIO_HOOK_NOT_EARLY = "image-mkinitcpio-hook-not-early";
        /// mkinitcpio's hook runs after udev's. Facts: `kernel`.
        IMAGE_MKINITCPIO_HOOK_AFTER_UDEV = "image-mkinitcpio-hook-after-udev";
    }
    remedies {
        /// The rules have to be corrected.
        CORRECT_RULES_FIRST = "correct-rules-first";
        /// All of reseat's files have to be installed.
        INSTALL_ALL_FILES = "install-all-files";
        /// Another builder has to include reseat-claim.
        USE_OTHER_BUILDER = "use-other-builder";
        /// An installed builder has to be named.
        NAME_INSTALLED_BUILDER = "name-installed-builder";
        /// One of several builders has to be named.
        NAME_BUILDER = "name-builder";
        /// sdbootutil builds the images.
        BUILD_WITH_SDBOOTUTIL = "build-with-sdbootutil";
        /// The file system needs to be writable.
        REMOUNT_WRITABLE = "remount-writable";
        /// The hooks have to be written into mkinitcpio's configuration by hand.
        EDIT_MKINITCPIO_HOOKS = "edit-mkinitcpio-hooks";
        /// mkinitcpio builds the images.
        BUILD_WITH_MKINITCPIO = "build-with-mkinitcpio";
        /// The partition with the kernels may not be mounted.
        MOUNT_BOOT_OR_NAME_KERNEL = "mount-boot-or-name-kernel";
        /// A newer kernel may wait for a reboot.
        REBOOT_OR_NAME_KERNEL = "reboot-or-name-kernel";
        /// Modules of a kernel that is gone share the image's name.
        REMOVE_OTHER_MODULES = "remove-other-modules";
        /// The image may be elsewhere.
        FIND_IMAGE = "find-image";
        /// Kernels take up the space.
        REMOVE_KERNELS = "remove-kernels";
        /// The claim belongs into ostree's tree.
        BUILD_OSTREE = "build-ostree";
        /// The claim belongs into bootc's image.
        BUILD_BOOTC = "build-bootc";
        /// The distribution builds unified images.
        BUILD_UNIFIED = "build-unified";
        /// The TPM has to be enrolled again after the boot.
        ENROLL_AGAIN = "enroll-again";
        /// The binding has to be read by hand.
        READ_BINDING = "read-binding";
        /// The record is in the way.
        MOVE_RECORD_AWAY = "move-record-away";
        /// A changed file has to be removed by hand or by force.
        REMOVE_CHANGED_FILE = "remove-changed-file";
        /// The boot loader's copy has to be made again.
        COPY_IMAGE = "copy-image";
        /// Unified images have to be built again.
        REBUILD_UNIFIED = "rebuild-unified";
        /// The report shows the claim of the next boot.
        SEE_REPORT = "see-report";
        /// A command has to finish the installation or undo it.
        INSTALL_OR_REMOVE = "install-or-remove";
        /// The installation has to run again.
        INSTALL_AGAIN = "install-again";
        /// The claim is missing from the image of the running kernel.
        ADD_TO_IMAGE = "add-to-image";
        /// The claim is missing from the image of another kernel.
        ADD_TO_IMAGE_OF_KERNEL = "add-to-image-of-kernel";
        /// The image of the running kernel is older than a file of the machine.
        REBUILD_IMAGE = "rebuild-image";
        /// The image of another kernel is older than a file of the machine.
        REBUILD_IMAGE_OF_KERNEL = "rebuild-image-of-kernel";
    }
}
