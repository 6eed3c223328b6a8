//! Findings of the claim: rules, plan, vfio-pci, displays, IOMMU.

super::findings! {
    ids {
        /// The kernel command line cannot be read, so nothing is claimed. Facts: `cause`.
        COMMAND_LINE_UNREADABLE = "command-line-unreadable";
        /// An unknown kernel parameter may be a misspelt claim, and claims nothing. Facts: `nearest`.
        PARAMETER_UNKNOWN_NO_CLAIM = "parameter-unknown-no-claim";
        /// An unknown kernel parameter forces a dry run, or switches reseat off. Facts: `nearest`.
        PARAMETER_UNKNOWN_DRY_RUN = "parameter-unknown-dry-run";
        /// The rules file is invalid; none of its rules applies. Facts: `line`, `cause`.
        RULES_FILE_INVALID = "rules-file-invalid";
        /// The recovery policy in the rules file is invalid. Facts: `line`, `cause`.
        RECOVERY_POLICY_INVALID = "recovery-policy-invalid";
        /// A selector is invalid. Facts: `cause`.
        SELECTOR_INVALID = "selector-invalid";
        /// A selector in the rules file is invalid, so its rule claims nothing. Facts: `source`, `cause`.
        RULE_INVALID = "rule-invalid";
        /// No function has the address of a rule. Facts: `address`, `found`.
        RULE_NO_FUNCTION = "rule-no-function";
        /// The function at a rule's address has another ID than the rule requires. Facts: `address`, `expected`,
        /// `found`.
        RULE_GUARD_FAILED = "rule-guard-failed";
        /// The function at a rule's address cannot be confirmed to match the rule. Facts: `address`, `expected`.
        RULE_GUARD_UNMET = "rule-guard-unmet";
        /// None of the GPUs that match the first selectors of a rule matches the next one. Facts: `gpus`, `expected`.
        RULE_NONE_OF = "rule-none-of";
        /// A rule names a function that is not part of a GPU. Facts: `address`, `class`.
        RULE_NOT_A_GPU = "rule-not-a-gpu";
        /// A rule names a virtual function. Facts: `address`.
        RULE_VIRTUAL_FUNCTION = "rule-virtual-function";
        /// A rule names a function that cannot be read. Facts: those of `why`.
        RULE_FUNCTION_UNREADABLE = "rule-function-unreadable";
        /// No GPU has a rule's serial number, and one could not be read. Facts: `expected`, `why`.
        RULE_SERIAL_NUMBER_UNREADABLE = "rule-serial-number-unreadable";
        /// No GPU has a function of a rule's vendor:device ID. Facts: `identity`.
        RULE_NO_IDENTITY = "rule-no-identity";
        /// No GPU matches a rule's first selector. Facts: `expected`, `found`.
        RULE_NO_GPU_WITH = "rule-no-gpu-with";
        /// No GPU matches a rule's first selector, and none has an attribute of that kind. Facts: `expected`.
        RULE_NO_GPU_KNOWN_WITH = "rule-no-gpu-known-with";
        /// The machine has no GPU.
        RULE_NO_GPU = "rule-no-gpu";
        /// A GPU that a rule excludes cannot be found, so the rule claims nothing. Facts: `not`, `source`, `why`.
        RULE_EXCLUSION_NOT_FOUND = "rule-exclusion-not-found";
        /// A rule excludes everything that it selects. Facts: `not`, `source`.
        RULE_ALL_LEFT_OUT = "rule-all-left-out";
        /// A function with the GPU's device number is not part of a GPU. Facts: `class`.
        DEVICE_NUMBER_SHARED = "device-number-shared";
        /// A function has virtual functions, which the claim would remove. Facts: `count`.
        VIRTUAL_FUNCTIONS_PRESENT = "virtual-functions-present";
        /// A GPU out of service is not isolated: its virtual functions would be removed. Facts: `reason`, `count`.
        ISOLATION_VIRTUAL_FUNCTIONS = "isolation-virtual-functions";
        /// The GPU is the machine's only display. Facts: `why`, and its facts.
        ONLY_DISPLAY = "only-display";
        /// A kernel parameter turns the IOMMU off. Facts: `parameter`.
        IOMMU_TURNED_OFF = "iommu-turned-off";
        /// The kernel does not use the IOMMU without a parameter. Facts: `parameter`.
        IOMMU_PARAMETER_MISSING = "iommu-parameter-missing";
        /// The firmware describes no IOMMU. Facts: `setting`, `parameter`.
        IOMMU_OFF_IN_FIRMWARE = "iommu-off-in-firmware";
        /// An IOMMU is active, but none of its units covers the function.
        IOMMU_UNCOVERED = "iommu-uncovered";
        /// The firmware describes an IOMMU, but none is active. Facts: `table`.
        IOMMU_UNEXPLAINED = "iommu-unexplained";
        /// `group-peers` is impossible: the IOMMU group is unknown until a driver is bound.
        GROUP_PEERS_UNKNOWN = "group-peers-unknown";
        /// `group-peers` is impossible: a virtual function is in the IOMMU group.
        GROUP_PEER_VIRTUAL = "group-peer-virtual";
        /// A function in the IOMMU group is bound to a driver of the host, which may be in use. Facts: `driver`, `gpu`.
        GROUP_PEER_IN_USE = "group-peer-in-use";
        /// A function in the IOMMU group may carry the system, and the rule does not name it. Facts: `class`, `gpu`.
        GROUP_PEER_UNNAMED = "group-peer-unnamed";
        /// A function in the IOMMU group carries the running system. Facts: `why`, its facts, and `gpu`.
        GROUP_PEER_IN_SYSTEM = "group-peer-in-system";
        /// A function has a device with a mounted file system. Facts: `device`, `at`.
        SYSTEM_MOUNTED = "system-mounted";
        /// A function has a device that the system swaps to. Facts: `device`.
        SYSTEM_SWAP = "system-swap";
        /// A function has the device that the kernel command line names as the root. Facts: `device`.
        SYSTEM_ROOT = "system-root";
        /// A function has the interface of the default route. Facts: `device`.
        SYSTEM_DEFAULT_ROUTE = "system-default-route";
        /// A function has a network interface that is up. Facts: `device`.
        SYSTEM_NETWORK_UP = "system-network-up";
        /// No VM can open a claimed GPU: a host driver has a function of its IOMMU group. Facts: `function`, `driver`.
        GROUP_NOT_VIABLE = "group-not-viable";
        /// No VM can open functions bound to vfio-pci: nothing maps a VM's memory. Facts: `cause`.
        NO_IOMMU_BACKEND = "no-iommu-backend";
        /// Another owner occupies a BAR of a function, so no VM can use it. Facts: `owner`.
        BAR_OCCUPIED = "bar-occupied";
        /// Vfio-pci is missing, so nothing can be claimed.
        VFIO_PCI_MISSING = "vfio-pci-missing";
        /// The firmware's framebuffer is in a function's memory. Facts: `framebuffer`, `driver`.
        DISPLAY_FRAMEBUFFER = "display-framebuffer";
        /// The kernel's text console is on a function.
        DISPLAY_TEXT_CONSOLE = "display-text-console";
        /// A driver shows a picture through a function. Facts: `device`.
        DISPLAY_DRIVER = "display-driver";
        /// The quarantine cannot be read, so every GPU that the rules select counts as out of service. Facts: `cause`.
        QUARANTINE_UNREADABLE = "quarantine-unreadable";
        /// A GPU out of service may have been moved here: its serial number cannot be read. Facts: `why`.
        QUARANTINE_SERIAL_NUMBER_UNREADABLE = "quarantine-serial-number-unreadable";
        /// Another GPU is at the address of one that is out of service. Facts: `other`, `reason`.
        QUARANTINE_REPLACED = "quarantine-replaced";
        /// A GPU out of service is not isolated yet.
        ISOLATION_PENDING = "isolation-pending";
        /// A GPU was isolated and is no longer.
        ISOLATION_LOST = "isolation-lost";
        /// A kernel module is not loaded, and could not be. Facts: `cause`.
        MODULE_NOT_LOADED = "module-not-loaded";
        /// A module was loaded, but its driver did not appear. Facts: `directory`.
        MODULE_WITHOUT_DRIVER = "module-without-driver";
        /// Plain vfio-pci replaces a variant. Facts: `why`, and its facts.
        VARIANT_GIVEN_UP = "variant-given-up";
        /// Vfio-pci was loaded without `disable_idle_d3`, so only `power/control` keeps functions in D0.
        IDLE_D3_ENABLED = "idle-d3-enabled";
        /// Vfio-pci took a function by its own configuration when it was loaded. Facts: `driver`.
        VFIO_PCI_TOOK_OTHERS = "vfio-pci-took-others";
        /// The driver does not match the function. Facts: `driver`, `file`, `cause`.
        BIND_NOT_MATCHED = "bind-not-matched";
        /// The function has a driver already, or virtual functions. Facts: `driver`, `file`, `cause`.
        BIND_BUSY = "bind-busy";
        /// The driver refuses the function. Facts: `driver`, `file`, `cause`.
        BIND_REFUSED = "bind-refused";
        /// The kernel has deferred the bind. Facts: `driver`, `file`, `cause`.
        BIND_PUT_OFF = "bind-put-off";
        /// This kernel lacks an attribute.
        ATTRIBUTE_MISSING = "attribute-missing";
        /// A function was not probed before its power state was read.
        FUNCTION_NOT_PROBED = "function-not-probed";
        /// A function is still bound after an unbind. Facts: `driver`.
        STILL_BOUND = "still-bound";
        /// A function has no IOMMU after the bind. Facts: `driver`.
        IOMMU_ABSENT_AFTER_BIND = "iommu-absent-after-bind";
        /// A function is not in D0, or not kept there. Facts: `power_state`, `pmcsr`, `runtime_status`, `control`, `d3cold_allowed`.
        NOT_PINNED_IN_D0 = "not-pinned-in-d0";
        /// A function is not the one that was listed. Facts: `found`, `listed`.
        IDENTITY_CHANGED = "identity-changed";
        /// A function is bound to another driver after the bind. Facts: `found`, `driver`.
        BOUND_TO_ANOTHER = "bound-to-another";
        /// A function has no driver after the bind. Facts: `driver`.
        NO_DRIVER_AFTER_BIND = "no-driver-after-bind";
        /// A worker ended before its time. Facts: `cause`.
        WORKER_LOST = "worker-lost";
        /// An operation hangs in the kernel. Facts: `seconds`.
        OPERATION_BLOCKED = "operation-blocked";
        /// The time limit of the claim was reached.
        CLAIM_OUT_OF_TIME = "claim-out-of-time";
        /// A change was not undone, since the kernel holds the function.
        UNDO_NOT_TRIED = "undo-not-tried";
        /// An operation was started and has not returned.
        OUTCOME_UNKNOWN = "outcome-unknown";
        /// A function has another driver than it should have. Facts: `found`, `expected`.
        DRIVER_NOT_AS_BEFORE = "driver-not-as-before";
        /// A GPU was claimed and no longer is.
        CLAIM_LOST = "claim-lost";
        /// The kernel holds a function; udev is kept from it. Facts: `file`.
        FUNCTION_HELD_MASKED = "function-held-masked";
        /// The kernel holds a function, and udev may wait for it. Facts: `file`, `cause`.
        FUNCTION_HELD_UNMASKED = "function-held-unmasked";
        /// The claim's report cannot be written or read. Facts: `action`, `cause`.
        REPORT_INACCESSIBLE = "report-inaccessible";
        /// There is no claim report. Facts: `cause`.
        REPORT_MISSING = "report-missing";
        /// A file is not a claim report. Facts: `cause`.
        REPORT_MALFORMED = "report-malformed";
        /// A report has a schema that this version does not read. Facts: `found`, `expected`.
        REPORT_SCHEMA_UNKNOWN = "report-schema-unknown";
        /// A sentence from a report with schema reseat.claim/1. Facts: `text`.
        REPORT_IN_WORDS = "report-in-words";
        /// No function has the address.
        FUNCTION_NOT_THERE = "function-not-there";
        /// The kernel has not added a function to its bus. Facts: `seconds`.
        FUNCTION_NOT_ADDED = "function-not-added";
        /// Another claim of the GPU does not end.
        CLAIM_UNDER_WAY = "claim-under-way";
        /// The lock of a GPU cannot be taken. Facts: `cause`.
        GPU_NOT_LOCKED = "gpu-not-locked";
        /// A record of a recovery cannot be read. Facts: `cause`.
        RECOVERY_RECORD_UNREADABLE = "recovery-record-unreadable";
        /// Nothing is claimed: switched off on the kernel command line.
        LEFT_SWITCHED_OFF = "left-switched-off";
        /// Nothing is claimed: this is a crash kernel.
        LEFT_CRASH_KERNEL = "left-crash-kernel";
        /// Nothing is claimed: no report lists the functions that the boot claim saw.
        LEFT_NO_BOOT_REPORT = "left-no-boot-report";
        /// Nothing is claimed: the function has been there since the last claim. Facts: `function`.
        LEFT_NOT_NEW = "left-not-new";
        /// Nothing is claimed: there is no GPU.
        LEFT_NO_GPU = "left-no-gpu";
        /// Nothing is claimed: a recovery is under way.
        LEFT_TO_RECOVERY = "left-to-recovery";
        /// Nothing is claimed: no rule chooses the GPU.
        LEFT_NOT_CHOSEN = "left-not-chosen";
    }
    remedies {
        /// Virtual functions have to be removed first.
        REMOVE_VIRTUAL_FUNCTIONS = "remove-virtual-functions";
        /// A rule can force the claim of the only display.
        FORCE_DISPLAY = "force-display";
        /// A kernel parameter prevents it.
        REMOVE_PARAMETER = "remove-parameter";
        /// A kernel parameter is missing.
        ADD_PARAMETER = "add-parameter";
        /// A setting of the firmware is off.
        ENABLE_IN_FIRMWARE = "enable-in-firmware";
        /// A setting of the firmware is off, and a kernel parameter is missing.
        ENABLE_IN_FIRMWARE_AND_ADD_PARAMETER = "enable-in-firmware-and-add-parameter";
        /// The kernel log has the reason.
        SEE_KERNEL_LOG = "see-kernel-log";
        /// There may be no claim in the initramfs.
        SEE_INITRAMFS_STATUS = "see-initramfs-status";
        /// A function beside the GPU has to be unbound first.
        UNBIND_PEER = "unbind-peer";
        /// A rule names the functions of an IOMMU group that may carry the system.
        NAME_PEER = "name-peer";
        /// The GPU needs its own IOMMU group.
        MOVE_GPU = "move-gpu";
        /// The module has to be loaded, and included in the image.
        LOAD_IOMMU_BACKEND = "load-iommu-backend";
        /// The kernel must not create a framebuffer from the firmware's.
        BLACKLIST_SYSFB = "blacklist-sysfb";
        /// A built-in driver takes its parameters from the kernel command line.
        SET_IDLE_D3_ON_COMMAND_LINE = "set-idle-d3-on-command-line";
        /// A module takes its parameters from modprobe's configuration.
        SET_IDLE_D3_IN_MODPROBE = "set-idle-d3-in-modprobe";
    }
}
