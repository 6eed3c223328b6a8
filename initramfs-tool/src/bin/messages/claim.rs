//! The claim.

#[cfg(feature = "operator")]
use super::Sentence;
use super::Steps;

pub(super) const SENTENCES: &str = sentences![
    (
        "command-line-unreadable",
        "cannot read {subject}: {cause}, so nothing is claimed",
    ),
    (
        "parameter-unknown-no-claim",
        "unknown kernel parameter `{subject}`{nearest:, did you mean }, so it claims nothing",
    ),
    (
        "parameter-unknown-dry-run",
        "unknown kernel parameter `{subject}`{nearest:, did you mean }, so nothing is touched",
    ),
    (
        "rules-file-invalid",
        "{subject}:{line}: {cause}: none of its rules is used",
    ),
    ("selector-invalid", "{cause}"),
    (
        "rule-no-function",
        "no function at {address}{found:; the GPUs' functions are }"
    ),
    ("rule-guard-failed", "{address} is {found}, not {expected}: not claimed"),
    ("rule-guard-unmet", "{address} is not {expected}: not claimed"),
    ("rule-none-of", "{gpus} is not {expected}: not claimed"),
    (
        "rule-not-a-gpu",
        "{address} belongs to no GPU (its class is {class}): not claimed",
    ),
    ("rule-virtual-function", "{address} is a virtual function: not claimed"),
    ("rule-function-unreadable", "{why}: not claimed"),
    (
        "rule-serial-number-unreadable",
        "no GPU is known to have {expected}: {why}",
    ),
    ("rule-no-identity", "no GPU has a function {identity}"),
    ("rule-no-gpu-with", "no GPU has {expected}: there is {found}"),
    (
        "rule-no-gpu-known-with",
        "no GPU has {expected}: nothing of that kind is known of any",
    ),
    ("rule-no-gpu", "there is no GPU"),
    (
        "rule-exclusion-not-found",
        "nothing is claimed, since what `{not}` ({source}) leaves out is not to be found: {why}",
    ),
    (
        "rule-all-left-out",
        "all that it chooses is left out by `{not}` ({source})",
    ),
    (
        "device-number-shared",
        "{subject} stands on its device number and is no part of a GPU (its class is {class})",
    ),
    (
        "virtual-functions-present",
        "{subject} has {count|virtual function}, which would be gone",
    ),
    (
        "isolation-virtual-functions",
        "it is out of service ({reason}) and not isolated: {subject} has {count|virtual function}, which would be gone",
    ),
    ("only-display", "it is the only display of this machine ({why})"),
    ("iommu-turned-off", "{subject}: no IOMMU"),
    ("iommu-parameter-missing", "{subject}: no IOMMU"),
    ("iommu-off-in-firmware", "{subject}: no IOMMU"),
    (
        "iommu-uncovered",
        "{subject}: in no IOMMU group, though an IOMMU runs: no unit covers it",
    ),
    (
        "iommu-unexplained",
        "{subject}: no IOMMU, though the firmware describes one ({table})",
    ),
    (
        "group-peers-unknown",
        "{subject}: this kernel knows its IOMMU group only once it has a driver, so `group-peers` cannot be met",
    ),
    (
        "group-peer-virtual",
        "{subject}, a virtual function, is in its IOMMU group and is never claimed, so `group-peers` cannot be met",
    ),
    (
        "group-peer-in-use",
        "{subject}, in its IOMMU group, is on driver {driver}, and somebody may be at work with it",
    ),
    (
        "group-peer-unnamed",
        "{subject} (its class is {class}), in its IOMMU group, may carry the system, and the rule does not name it",
    ),
    (
        "group-not-viable",
        "no VM can open {subject}: {function}, in its IOMMU group, is on driver {driver}",
    ),
    (
        "no-iommu-backend",
        "no VM can open what vfio-pci has, for want of {subject}: {cause}",
    ),
    (
        "bar-occupied",
        "{owner} lies in the memory of {subject}, so that no VM can have it",
    ),
    ("vfio-pci-missing", "{driver} is not there to take it"),
    (
        "display-framebuffer",
        "the firmware's framebuffer ({framebuffer}{driver: on driver }) is in the memory of {subject}",
    ),
    ("display-text-console", "the kernel's text console is on {subject}"),
    ("display-driver", "{device} shows its picture through {subject}"),
    (
        "quarantine-unreadable",
        "the quarantine: {cause}; every GPU that the rules choose counts as out of service",
    ),
    (
        "quarantine-serial-number-unreadable",
        "{why}; whether it is a GPU that is out of service, and was moved, nobody can tell",
    ),
    (
        "quarantine-replaced",
        "{subject}: in the place of another, which is out of service: {other}: {reason}",
    ),
    ("isolation-pending", "to be isolated"),
    ("isolation-lost", "it was isolated and did not stay so"),
    ("module-not-loaded", "{cause}"),
    (
        "module-without-driver",
        "loaded {subject}, and no driver appeared in {directory}",
    ),
    ("variant-given-up", "{why}: vfio-pci takes its place"),
    (
        "idle-d3-enabled",
        "{subject} runs without disable_idle_d3=1, so that only the pin keeps claimed functions in D0",
    ),
    (
        "vfio-pci-took-others",
        "{driver} took {subject} by its own configuration when it was loaded; no rule chose it",
    ),
    (
        "bind-not-matched",
        "cannot write `{subject}` to {file}: {cause}: the driver does not match the function, its driver_override was not taken",
    ),
    (
        "bind-busy",
        "cannot write `{subject}` to {file}: {cause}: it has a driver already, or it has virtual functions",
    ),
    (
        "bind-refused",
        "cannot write `{subject}` to {file}: {cause}: the driver refuses this function: vfio-pci does so for bridges, for what is on its deny list, and for what is in no IOMMU group",
    ),
    (
        "bind-put-off",
        "cannot write `{subject}` to {file}: {cause}: the kernel has put the bind off",
    ),
    ("attribute-missing", "this kernel has no such attribute"),
    ("function-not-probed", "{subject} was never asked whether it is there"),
    ("still-bound", "{subject} is still on {driver}"),
    (
        "iommu-absent-after-bind",
        "{subject} is behind no IOMMU, also after the bind to {driver}",
    ),
    (
        "not-pinned-in-d0",
        "{subject} is not in D0 and pinned: power_state {power_state}, PMCSR {pmcsr}, runtime_status {runtime_status}, control {control}, d3cold_allowed {d3cold_allowed}",
    ),
    ("identity-changed", "{subject} is {found}, and was listed as {listed}"),
    (
        "bound-to-another",
        "{subject} is bound to {found} after the bind to {driver}",
    ),
    (
        "no-driver-after-bind",
        "{subject} has no driver after the bind to {driver}",
    ),
    ("worker-lost", "its worker was lost: {cause}"),
    ("operation-blocked", "it has not come back after {seconds} s"),
    ("claim-out-of-time", "the time for the claim was over"),
    ("undo-not-tried", "not tried, the kernel holds the function"),
    ("outcome-unknown", "not known whether it took effect, or still will"),
    ("driver-not-as-before", "{subject} has {found} now, not {expected}"),
    ("claim-lost", "it was claimed and did not stay so"),
    (
        "function-held-masked",
        "the kernel holds {subject}: /dev/null is mounted over {file}, so that udev does not wait for it",
    ),
    (
        "function-held-unmasked",
        "the kernel holds {subject}, and udev may wait for it: cannot mask {file}: {cause}",
    ),
    ("report-inaccessible", "cannot {action} {subject}: {cause}"),
    ("report-malformed", "{subject} is no claim report: {cause}"),
    ("report-in-words", "{text}"),
];

/// What only the operator's command comes to: a GPU that appears, and reading what the claim wrote.
#[cfg(feature = "operator")]
pub(super) const OPERATOR_SENTENCES: &[Sentence] = &[
    (
        "recovery-policy-invalid",
        "{subject}:{line}: {cause}: the claim does not mind, but `reseat recover` does nothing until that is corrected",
    ),
    (
        "group-peer-in-system",
        "what is in its IOMMU group carries the system: {why}",
    ),
    ("system-mounted", "{subject} has {device}, which is mounted on {at}"),
    ("system-swap", "{subject} has {device}, to which the system swaps"),
    (
        "system-root",
        "{subject} has {device}, the root by the kernel command line",
    ),
    (
        "system-default-route",
        "{subject} is the way of {device}, which has the default route",
    ),
    ("system-network-up", "{subject} is the way of {device}, which is up"),
    ("rule-invalid", "rule `{subject}` ({source}): {cause}"),
    (
        "report-missing",
        "cannot read {subject}: {cause}: no claim has run that wrote it",
    ),
    (
        "report-schema-unknown",
        "{subject} has the schema `{found}`, this version reads `{expected}`",
    ),
    ("function-not-there", "no function at {subject}"),
    (
        "function-not-added",
        "the kernel has not added {subject} to its bus after {seconds} s",
    ),
    (
        "claim-under-way",
        "another claim of {subject} is under way, and does not end",
    ),
    ("gpu-not-locked", "cannot lock the GPU: {cause}"),
    ("recovery-record-unreadable", "{cause}"),
    ("left-switched-off", "{subject}: off by the kernel command line"),
    (
        "left-crash-kernel",
        "{subject}: this kernel saves the memory of a crashed one",
    ),
    (
        "left-no-boot-report",
        "{subject}: no report tells which functions the boot's claim saw",
    ),
    (
        "left-not-new",
        "{subject}: {function} has been there since the last claim",
    ),
    ("left-no-gpu", "{subject}: there is no GPU"),
    (
        "left-to-recovery",
        "{subject}: a recovery is under way, and claims what it brings back",
    ),
    ("left-not-chosen", "{subject}: no rule chooses it"),
];

pub(super) const STEPS: &[Steps] = &[
    ("remove-virtual-functions", &["write 0 to its sriov_numvfs first"]),
    (
        "force-display",
        &[
            "`force-display = true` in its rule, or reseat.force-display on the kernel command line, takes it all the same",
        ],
    ),
    (
        "remove-parameter",
        &["remove `{parameter}` from the kernel command line"],
    ),
    ("add-parameter", &["add `{parameter}` to the kernel command line"]),
    ("enable-in-firmware", &["enable {setting} in the firmware setup"]),
    (
        "enable-in-firmware-and-add-parameter",
        &[
            "enable {setting} in the firmware setup",
            "add `{parameter}` to the kernel command line",
        ],
    ),
    ("see-kernel-log", &["see the kernel log for its reason"]),
    (
        "see-initramfs-status",
        &["`reseat initramfs status` says whether this boot's image has one"],
    ),
    (
        "unbind-peer",
        &["unbind it, then claim the GPU by `reseat claim --function`"],
    ),
    (
        "load-iommu-backend",
        &[
            "run `modprobe {subject}`",
            "`reseat initramfs status` says whether this boot's image has it",
        ],
    ),
    (
        "blacklist-sysfb",
        &["add `initcall_blacklist=sysfb_init` to the kernel command line"],
    ),
    (
        "name-peer",
        &["if the system does not need it, name it in the rule: `group-peers = [\"{subject}\"]`"],
    ),
    (
        "move-gpu",
        &["move the GPU to a slot with an IOMMU group of its own, or move what the system needs"],
    ),
    (
        "set-idle-d3-on-command-line",
        &["it is built in: add `vfio_pci.disable_idle_d3=1` to the kernel command line"],
    ),
    (
        "set-idle-d3-in-modprobe",
        &["it was loaded before: have `options vfio-pci disable_idle_d3=1` in /etc/modprobe.d and in the initramfs"],
    ),
];
