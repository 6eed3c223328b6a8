//! Findings of a recovery, of quarantine and return to service.

super::findings! {
    ids {
        /// A process uses a function. Facts: `pid`, `command`, `file`, `how`.
        USED_BY_PROCESS = "used-by-process";
        /// A VFIO group is open, and no process shows it. Facts: `file`.
        GROUP_IN_USE = "group-in-use";
        /// A function has virtual functions, whose users a reset would affect. Facts: `count`.
        VIRTUAL_FUNCTIONS_IN_USE = "virtual-functions-in-use";
        /// A function has a mediated device. Facts: `name`.
        MEDIATED_DEVICE_IN_USE = "mediated-device-in-use";
        /// A function is divided into GPU instances (MIG). Facts: `count`.
        GPU_INSTANCES_IN_USE = "gpu-instances-in-use";
        /// The search for users cannot start. Facts: `cause`.
        USERS_NOT_SEARCHED = "users-not-searched";
        /// The search for users did not end in time. Facts: `limit_ms`, `pid`.
        USER_SEARCH_TIMED_OUT = "user-search-timed-out";
        /// The search for users was lost before its result. Facts: `pid`, `cause`.
        USER_SEARCH_LOST = "user-search-lost";
        /// `/proc` does not show all processes. Facts: `cause`.
        PROCESSES_HIDDEN = "processes-hidden";
        /// `/proc` shows the processes of one namespace only. Facts: `namespace`.
        PROC_OF_NAMESPACE = "proc-of-namespace";
        /// A VFIO group cannot be tried. Facts: `file`, `cause`.
        GROUP_USE_UNKNOWN = "group-use-unknown";
        /// The files of a process cannot be seen. Facts: `command`, `how`, `cause`.
        PROCESS_UNREADABLE = "process-unreadable";
        /// The device files of a function cannot be found. Facts: `cause`.
        DEVICE_FILES_UNKNOWN = "device-files-unknown";
        /// A GPU in use is not isolated.
        LEFT_WITH_USER = "left-with-user";
        /// A GPU held through VFIO is not reset, even with `--force`. Facts: `holders`.
        NOT_FORCED = "not-forced";
        /// The search for holders through VFIO failed, so a GPU is not reset, even with `--force`. Facts: `cause`.
        HOLDERS_UNKNOWN = "holders-unknown";
        /// A signal stopped the recovery between two operations; every function has its driver again, and nothing is verified.
        STOPPED_BY_SIGNAL = "stopped-by-signal";
        /// A signal stopped the recovery between two operations, and not everything could be put back.
        STOPPED_HALFWAY = "stopped-halfway";
        /// A GPU in use is reset because of `--force`.
        FORCED = "forced";
        /// A GPU cannot be surveyed. Facts: `cause`.
        SURVEY_FAILED = "survey-failed";
        /// No function has this device number.
        NO_FUNCTION_AT = "no-function-at";
        /// A device is not a GPU.
        NOT_A_GPU = "not-a-gpu";
        /// The functions that a reset at the card root affects. Facts: `functions`.
        RESET_DOMAIN = "reset-domain";
        /// A reset at the card root affects foreign functions. Facts: `functions`, `others`.
        RESET_DOMAIN_SHARED = "reset-domain-shared";
        /// An inconsistency at a function, so the functions that a reset affects are unknown. Facts: `anomaly`,
        /// `detail`.
        RESET_DOMAIN_UNCERTAIN = "reset-domain-uncertain";
        /// A foreign function is in the reset domain.
        WOULD_BE_HIT = "would-be-hit";
        /// Links over its base board may join the GPU to others, which nothing in this machine shows. Facts: `model`,
        /// `select`.
        FABRIC_OF_MODULE = "fabric-of-module";
        /// A bridge may join the board to others, and a guest does not see all boards. Facts: `model`, `select`, `sign`.
        FABRIC_IN_GUEST = "fabric-in-guest";
        /// A bridge may join the board to others, and not every function could be read. Facts: `model`, `select`.
        FABRIC_UNSURVEYED = "fabric-unsurveyed";
        /// A bridge may join the board to one that has a baseline and that the kernel does not list. Facts: `model`, `select`,
        /// `peers`.
        FABRIC_PEER_UNLISTED = "fabric-peer-unlisted";
        /// A GPU that the rules file names as a peer is not found, or not the only one. Facts: `model`, `select`, `selector`.
        FABRIC_PEER_NOT_FOUND = "fabric-peer-not-found";
        /// The operator's statement about the fabric of the GPU decides. Facts: `statement`.
        FABRIC_STATED = "fabric-stated";
        /// A fabric may join this function to the GPU: a reset of more than one function affects it.
        FABRIC_PEER_AFFECTED = "fabric-peer-affected";
        /// A function that a fabric may join to the GPU is in use.
        FABRIC_PEER_IN_USE = "fabric-peer-in-use";
        /// A function that a fabric may join to the GPU is bound to a driver of the host. Facts: `driver`.
        FABRIC_PEER_OF_HOST = "fabric-peer-of-host";
        /// A function that a fabric may join to the GPU is being recovered.
        FABRIC_PEER_IN_RECOVERY = "fabric-peer-in-recovery";
        /// Models like this may not come back from FLR. Facts: `model`, `about`, `source`, `confidence`.
        FLR_MAY_NOT_RETURN = "flr-may-not-return";
        /// Models like this may stay absent after any reset. Facts: `model`, `about`, `source`, `confidence`.
        ABSENT_AFTER_RESET = "absent-after-reset";
        /// No standard reset reaches all of this model. Facts: `model`, `about`, `source`, `confidence`.
        NEEDS_VENDOR_RESET = "needs-vendor-reset";
        /// Something else that is reported of a model. Facts: `model`, `effect`, `about`, `source`, `confidence`.
        MODEL_REPORTED = "model-reported";
        /// All-ones instead of a value. Facts: `aspect`.
        ALL_ONES = "all-ones";
        /// A part that existed is gone. Facts: `aspect`.
        ASPECT_GONE = "aspect-gone";
        /// Another function is at this address. Facts: `identity`.
        OTHER_IDENTITY = "other-identity";
        /// The GPU has another serial number than in its baseline. Facts: `was`, `is`.
        OTHER_SERIAL_NUMBER = "other-serial-number";
        /// A function is not in D0. Facts: `state`.
        NOT_IN_D0 = "not-in-d0";
        /// A BAR has lost its address. Facts: `bar`.
        BAR_LOST = "bar-lost";
        /// A BAR has another kind than before. Facts: `bar`.
        BAR_CHANGED = "bar-changed";
        /// A BAR has another size. Facts: `bar`, `was_bytes`, `is_bytes`.
        BAR_RESIZED = "bar-resized";
        /// A function no longer decodes memory.
        MEMORY_DECODE_OFF = "memory-decode-off";
        /// `Max_Payload_Size` has changed. Facts: `was`, `is`.
        PAYLOAD_SIZE_CHANGED = "payload-size-changed";
        /// Transactions are pending.
        TRANSACTIONS_PENDING = "transactions-pending";
        /// The link is not active.
        LINK_INACTIVE = "link-inactive";
        /// The link has fewer lanes. Facts: `was`, `is`.
        LINK_NARROWER = "link-narrower";
        /// New uncorrectable errors on the path. Facts: `at`, `fatal`, `non_fatal`.
        NEW_ERRORS = "new-errors";
        /// The vendor register has changed. Facts: `was`, `is`.
        VENDOR_REGISTER_CHANGED = "vendor-register-changed";
        /// The firmware of a function has not booted.
        FIRMWARE_NOT_BOOTED = "firmware-not-booted";
        /// Parts of the state were not compared. Facts: `aspects`, `reasons`.
        NOT_COMPARED = "not-compared";
        /// A GPU has no baseline.
        NO_BASELINE = "no-baseline";
        /// Parts of the state cannot be recorded, so a reset stays unverified. Facts: `aspects`, `reasons`.
        NOT_IN_BASELINE = "not-in-baseline";
        /// A function does not answer correctly. Facts: `readiness`.
        NOT_READY = "not-ready";
        /// A GPU was not compared with its baseline.
        NOT_EXAMINED = "not-examined";
        /// A GPU is not well, so its baseline is not recorded.
        NOT_WELL = "not-well";
        /// The version of a VBIOS is unknown. Facts: `cause`.
        VBIOS_UNKNOWN = "vbios-unknown";
        /// A ROM is not read while the GPU is in use.
        ROM_IN_USE = "rom-in-use";
        /// A ROM is not read while it is unknown if the GPU is in use.
        ROM_USE_UNKNOWN = "rom-use-unknown";
        /// A worker does not return from the kernel.
        RECOVERY_WORKER_BLOCKED = "recovery-worker-blocked";
        /// The kernel holds a GPU.
        RESET_IN_PROGRESS = "reset-in-progress";
        /// A worker has ended without an answer. Facts: `cause`.
        RECOVERY_WORKER_LOST = "recovery-worker-lost";
        /// A worker answered another question. Facts: `answer`.
        WRONG_ANSWER = "wrong-answer";
        /// Another recovery holds the reset domain.
        RECOVERY_UNDER_WAY = "recovery-under-way";
        /// The lock of a reset domain cannot be taken. Facts: `cause`.
        LOCK_FAILED = "lock-failed";
        /// An earlier recovery was interrupted, and has to be resumed.
        RECOVERY_INTERRUPTED = "recovery-interrupted";
        /// No recovery was interrupted.
        NOTHING_TO_RESUME = "nothing-to-resume";
        /// An interrupted recovery is resumed.
        RESUMED = "resumed";
        /// The last reset of a GPU was not verified.
        LAST_RESET_UNVERIFIED = "last-reset-unverified";
        /// FLR works in this reset class. Facts: `reset_class`, `since`.
        FLR_KNOWN_GOOD = "flr-known-good";
        /// FLR fails in this reset class. Facts: `reset_class`, `since`.
        FLR_KNOWN_BAD = "flr-known-bad";
        /// The reset class of a GPU is unknown. Facts: `cause`.
        RESET_CLASS_UNKNOWN = "reset-class-unknown";
        /// A line of the history is damaged. Facts: `line`, `cause`, `text`.
        HISTORY_LINE_DAMAGED = "history-line-damaged";
        /// The history cannot be read. Facts: `cause`.
        HISTORY_UNREADABLE = "history-unreadable";
        /// The history cannot be written. Facts: `cause`.
        HISTORY_UNWRITTEN = "history-unwritten";
        /// One of reseat's own files cannot be read. Facts: `cause`.
        RECORD_UNREADABLE = "record-unreadable";
        /// One of reseat's own files cannot be written. Facts: `cause`.
        RECORD_UNWRITTEN = "record-unwritten";
        /// No recovery has left an evidence bundle.
        NO_EVIDENCE = "no-evidence";
        /// The journal of a recovery is gone.
        NO_JOURNAL = "no-journal";
        /// A GPU has no functions.
        NO_FUNCTIONS = "no-functions";
        /// The bundle of a recovery was written.
        EVIDENCE_WRITTEN = "evidence-written";
        /// The bundle of a recovery cannot be written. Facts: `cause`.
        EVIDENCE_UNWRITTEN = "evidence-unwritten";
        /// A quarantine cannot be written. Facts: `cause`.
        QUARANTINE_UNWRITTEN = "quarantine-unwritten";
        /// The kernel is still working on a GPU, so it is not touched.
        LEFT_ALONE = "left-alone";
        /// The state that a read through VFIO changed is not restored.
        NOT_RESTORED = "not-restored";
        /// No BMC is configured.
        NO_BMC = "no-bmc";
        /// The kernel offers no choice of a reset method.
        RESET_METHOD_MISSING = "reset-method-missing";
        /// The kernel does not accept all of the chosen reset methods. Facts: `was`, `is`.
        RESET_METHODS_REDUCED = "reset-methods-reduced";
        /// The reset methods cannot be restored. Facts: `was`, `cause`.
        RESET_METHODS_LOST = "reset-methods-lost";
        /// FLR is kept out of the reset methods of functions: it is known bad. Facts: `functions`, `reset_class`, `since`.
        FLR_KEPT_OUT = "flr-kept-out";
        /// FLR could not be taken out of the reset methods, though it is known bad. Facts: `cause`.
        FLR_NOT_KEPT_OUT = "flr-not-kept-out";
        /// FLR is among the reset methods of functions again: it is known good. Facts: `functions`, `reset_class`, `since`.
        FLR_PUT_BACK = "flr-put-back";
        /// No port is above a GPU.
        NO_PORT_ABOVE = "no-port-above";
        /// A bus number is invalid. Facts: `text`.
        NO_BUS_NUMBER = "no-bus-number";
        /// A function was not removed. Facts: `port`.
        STILL_BELOW = "still-below";
        /// A foreign function is below the card root. Facts: `port`.
        STRANGER_BELOW = "stranger-below";
        /// A GPU is well, but its reset is not proven.
        RESET_UNPROVEN = "reset-unproven";
        /// A bus reset in place is known to work in a reset class. Facts: `reset_class`, `since`.
        IN_PLACE_KNOWN_GOOD = "in-place-known-good";
        /// A bus reset in place is known to fail in a reset class. Facts: `reset_class`, `since`.
        IN_PLACE_KNOWN_BAD = "in-place-known-bad";
        /// A function of the GPU is not listed, so nothing is reset in its place.
        FUNCTION_MISSING = "function-missing";
        /// A mark is still in a function after a reset: it was not reset.
        MARK_KEPT = "mark-kept";
        /// No mark could show that a function was reset.
        NO_MARK = "no-mark";
        /// The mark behind a BAR is missing, so only configuration space can show a reset. Facts: `cause`.
        NO_MARK_BEHIND_BAR = "no-mark-behind-bar";
        /// FLR does not reset a function, which has none.
        NOT_RESET_BY_FLR = "not-reset-by-flr";
        /// The kernel forbids writing marks, as under lockdown. Facts: `cause`.
        MARKS_FORBIDDEN = "marks-forbidden";
        /// A mark could not be placed. Facts: `cause`.
        MARK_FAILED = "mark-failed";
        /// No slot is below a port.
        NO_SLOT = "no-slot";
        /// The BAR sizes of a function cannot be read.
        BAR_SIZES_UNREADABLE = "bar-sizes-unreadable";
        /// The kernel has no address for a BAR. Facts: `bar`.
        NO_ROOM_FOR_BAR = "no-room-for-bar";
        /// A BAR has its former size again. Facts: `bar`, `was_bytes`, `is_bytes`.
        BAR_SIZE_RESTORED = "bar-size-restored";
        /// Another driver had a function first, after a scan. Facts: `driver`, `wanted`, `time_ms`.
        BOUND_BY_ANOTHER = "bound-by-another";
        /// Another driver had a function first. Facts: `driver`, `wanted`.
        BOUND_BY_ANOTHER_BEFORE = "bound-by-another-before";
        /// A function is still bound to its driver. Facts: `driver`.
        DRIVER_NOT_REMOVED = "driver-not-removed";
        /// A function is bound to another driver. Facts: `driver`, `wanted`.
        WRONG_DRIVER = "wrong-driver";
        /// A function is bound to no driver. Facts: `wanted`.
        NO_DRIVER = "no-driver";
        /// A function is in another IOMMU group. Facts: `was`, `is`.
        IOMMU_GROUP_CHANGED = "iommu-group-changed";
        /// Lockdown forbids the registers behind a BAR, and VFIO does not read them either.
        REGISTERS_NOT_READ = "registers-not-read";
        /// A GPU has one function, so closing its VFIO device would reset it.
        ONLY_FUNCTION = "only-function";
        /// No sibling is reserved for vfio-pci, so closing a VFIO device would reset them all.
        NO_SIBLING_TO_UNBIND = "no-sibling-to-unbind";
        /// The kernel offers no way to do no reset.
        NO_EMPTY_RESET_METHOD = "no-empty-reset-method";
        /// The reset methods are not empty. Facts: `methods`.
        RESET_METHODS_LEFT = "reset-methods-left";
        /// VFIO does not open a device. Facts: `cause`.
        VFIO_FAILED = "vfio-failed";
        /// The reset methods are not restored.
        RESET_METHODS_NOT_RESTORED = "reset-methods-not-restored";
        /// A sibling that was unbound for a reading is not bound again.
        SIBLING_NOT_BOUND = "sibling-not-bound";
        /// A GPU is not handed on, since not everything was compared.
        RECOVERY_UNVERIFIED = "recovery-unverified";
        /// A recovery was refused.
        NOTHING_RESET = "nothing-reset";
        /// The kernel holds a GPU until the next boot, and the recovery policy allows none.
        KERNEL_HOLDS_GPU = "kernel-holds-gpu";
        /// The kernel holds a GPU until the next boot.
        REBOOT_LEFT = "reboot-left";
        /// Only its slot's power is left, and the recovery policy allows no reboot.
        POWER_LEFT = "power-left";
        /// Only power or a reboot are left.
        POWER_OR_REBOOT_LEFT = "power-or-reboot-left";
        /// The power of the slot can be switched, and no step has done so.
        WAY_SLOT_POWER = "way-slot-power";
        /// A BMC may switch the power of the slot.
        WAY_BMC = "way-bmc";
        /// Suspend to RAM is reported to recover this model. Facts: `about`, `source`, `confidence`.
        WAY_SUSPEND = "way-suspend";
        /// A reboot may recover the GPU.
        WAY_REBOOT = "way-reboot";
        /// A power cycle of the machine may recover the GPU.
        WAY_POWER_CYCLE = "way-power-cycle";
        /// A GPU that has to be out of service is not isolated.
        QUARANTINE_FAILED = "quarantine-failed";
        /// A GPU is out of service. Facts: `reason`, `since`.
        OUT_OF_SERVICE = "out-of-service";
        /// It is unknown if a GPU is out of service. Facts: `cause`.
        OUT_OF_SERVICE_UNKNOWN = "out-of-service-unknown";
        /// A GPU was taken out of service. Facts: `reason`.
        QUARANTINED = "quarantined";
        /// The entry of a GPU was removed from the quarantine. Facts: `gpu`, `reason`.
        FORGOTTEN = "forgotten";
        /// The loss of a damaged quarantine was accepted. Facts: `reason`, `lost`.
        LOSS_ACCEPTED = "loss-accepted";
        /// A GPU was returned to service. Facts: `resets`.
        RETURNED = "returned";
        /// A GPU was returned to service without a reset. Facts: `reason`.
        RETURNED_BY_FORCE = "returned-by-force";
        /// No GPU has this address.
        NO_GPU_AT = "no-gpu-at";
        /// A GPU is in service.
        IN_SERVICE = "in-service";
        /// The quarantine has no GPU with this address.
        NOT_QUARANTINED = "not-quarantined";
        /// A GPU to be forgotten is in the machine. Facts: `gpu`.
        STILL_IN_MACHINE = "still-in-machine";
        /// A GPU to be forgotten is not present, and nothing is at its address. Facts: `gpu`.
        GPU_NOT_SEEN = "gpu-not-seen";
        /// The quarantine is damaged. Facts: `cause`.
        QUARANTINE_DAMAGED = "quarantine-damaged";
        /// The boot isolated a GPU that is now in service.
        ISOLATED_AT_BOOT = "isolated-at-boot";
        /// A GPU out of service is not isolated.
        NOT_ISOLATED = "not-isolated";
        /// Functions were found by a scan of the bus. Facts: `functions`.
        FOUND_BY_SCAN = "found-by-scan";
        /// The GPU's slot was switched off, and it is not listed. Facts: `slot`.
        SLOT_SWITCHED_OFF = "slot-switched-off";
        /// Functions are not found by a scan of the bus. Facts: `functions`.
        NOT_FOUND_BY_SCAN = "not-found-by-scan";
        /// One of the resets before a return to service. Facts: `number`, `count`.
        RESET_OF_SEVERAL = "reset-of-several";
        /// A sentence from an earlier version of reseat. Facts: `text`.
        EARLIER_TEXT = "earlier-text";
        /// Events are not in a bundle. Facts: `count`.
        EVENTS_LEFT_OUT = "events-left-out";
        /// Lines of the kernel log are not in a bundle. Facts: `count`, `when`.
        KERNEL_LOG_LEFT_OUT = "kernel-log-left-out";
        /// A reading is not in a bundle. Facts: `when`.
        MOMENT_LEFT_OUT = "moment-left-out";
        /// A part of the evidence was not read. Facts: `part`, `cause`.
        PART_NOT_READ = "part-not-read";
    }
    remedies {
        /// Record a baseline of the GPU while it is well.
        SAVE_BASELINE = "save-baseline";
        /// Resume the recovery that was interrupted.
        RESUME = "resume";
        /// Prove the GPU by verified resets.
        RETURN_TO_SERVICE = "return-to-service";
        /// Return the GPU to service, and rebuild the initramfs.
        REBUILD_AFTER_RETURN = "rebuild-after-return";
        /// Remove the entry of a GPU that has left the machine.
        STRIKE_OFF = "strike-off";
        /// See the quarantine.
        LIST_QUARANTINE = "list-quarantine";
        /// Accept the loss of a damaged quarantine.
        ACCEPT_LOSS = "accept-loss";
        /// Switch the slot on.
        SWITCH_SLOT_ON = "switch-slot-on";
        /// Stop the user of the GPU that is out of service; it is isolated then.
        STOP_USER = "stop-user";
        /// Stop the user of the GPU.
        CLOSE_VFIO = "close-vfio";
        /// State the fabric of the GPU in the rules file.
        STATE_FABRIC = "state-fabric";
        /// Find out why something was not compared.
        SEE_WHAT_IS_MISSING = "see-what-is-missing";
        /// Keep VMs off a GPU that the kernel's own FLR may take off the bus.
        KEEP_VMS_OFF = "keep-vms-off";
        /// Accept a reset that nothing proves, by the recovery policy.
        ACCEPT_UNPROVEN = "accept-unproven";
    }
}
