//! Recovery, quarantine and return to service.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[
    (
        "used-by-process",
        "process {pid} ({command}) has {file} of {subject} {how}",
    ),
    ("group-in-use", "{file} of {subject} is open, and no process shows it"),
    ("virtual-functions-in-use", "{subject} has {count|virtual function}"),
    ("mediated-device-in-use", "{subject} has the mediated device {name}"),
    (
        "gpu-instances-in-use",
        "{subject} is divided into GPU instances (MIG): {count}",
    ),
    ("users-not-searched", "cannot start the search for users: {cause}"),
    (
        "user-search-lost",
        "the search for users was lost at process {pid}: {cause}",
    ),
    (
        "user-search-timed-out",
        "the search for users did not end within {limit_ms} ms; it was at process {pid}",
    ),
    ("processes-hidden", "not all processes can be seen: {cause}"),
    (
        "proc-of-namespace",
        "/proc shows the processes of the namespace {namespace} only, not all of the machine",
    ),
    (
        "group-use-unknown",
        "{subject}: cannot see whether {file} is open: {cause}",
    ),
    (
        "process-unreadable",
        "cannot see what process {subject} ({command}) has {how}: {cause}",
    ),
    ("device-files-unknown", "{subject}: {cause}"),
    ("left-with-user", "it is in use, and is left with its user"),
    (
        "not-forced",
        "not forced: {holders}; the kernel would not come back from the unbind before that is closed",
    ),
    (
        "holders-unknown",
        "not forced: nobody knows who has it through VFIO: {cause}",
    ),
    (
        "stopped-by-signal",
        "stopped by a signal: every function has its driver again, and the GPU is not verified",
    ),
    (
        "stopped-halfway",
        "stopped by a signal, and not everything could be put back",
    ),
    ("forced", "to be reset all the same: --force"),
    ("survey-failed", "cannot look at {subject}: {cause}"),
    ("no-function-at", "no function is at {subject}"),
    ("not-a-gpu", "{subject} is no GPU: none of its functions is one"),
    ("reset-domain", "a reset at the card root {subject} hits {functions}"),
    (
        "reset-domain-shared",
        "a reset at the card root {subject} hits {functions}, and not part of the GPU: {others}",
    ),
    (
        "reset-domain-uncertain",
        "not known which functions a reset hits: {subject}: {detail}",
    ),
    ("would-be-hit", "{subject} would be hit as well"),
    (
        "fabric-of-module",
        "{subject} [{model}]: links over its base board (NVLink, XGMI) may join it to GPUs that this machine does not show",
    ),
    (
        "fabric-in-guest",
        "{subject} [{model}]: a bridge may join it to other boards, and this machine is a guest, which does not see all of \
         them ({sign})",
    ),
    (
        "fabric-unsurveyed",
        "{subject} [{model}]: a bridge may join it to other boards, and not every function or baseline can be read",
    ),
    (
        "fabric-peer-unlisted",
        "{subject} [{model}]: a bridge may join it to {peers}, which has a baseline and is not listed by the kernel",
    ),
    (
        "fabric-peer-not-found",
        "{subject} [{model}]: the rules file names {selector} as joined to it, and that is not exactly one GPU of this machine",
    ),
    (
        "fabric-stated",
        "{subject}: fabric as the rules file states it ({statement})",
    ),
    (
        "fabric-peer-affected",
        "{subject} may be joined by a fabric: a reset of more than one function affects it, too",
    ),
    (
        "fabric-peer-in-use",
        "{subject} may be joined by a fabric and is in use: no reset of more than one function",
    ),
    (
        "fabric-peer-of-host",
        "{subject} may be joined by a fabric and is bound to {driver}: no reset of more than one function",
    ),
    (
        "fabric-peer-in-recovery",
        "{subject} may be joined by a fabric and is being recovered: no reset of more than one function",
    ),
    (
        "flr-may-not-return",
        "{subject} [{model}] may not come back from FLR ({about}; source: {source}, confidence: {confidence})",
    ),
    (
        "absent-after-reset",
        "{subject} [{model}] may read all-ones after any reset ({about}; source: {source}, confidence: {confidence})",
    ),
    (
        "needs-vendor-reset",
        "{subject} [{model}] needs a reset of the vendor's own ({about}; source: {source}, confidence: {confidence})",
    ),
    (
        "model-reported",
        "{subject} [{model}] {effect} ({about}; source: {source}, confidence: {confidence})",
    ),
    ("all-ones", "{subject}: {aspect}: all-ones"),
    ("aspect-gone", "{subject}: {aspect}: gone"),
    ("other-identity", "{subject}: another function stands here: {identity}"),
    (
        "other-serial-number",
        "{subject}: another GPU is there: the baseline has serial number {was}, this one has {is}",
    ),
    ("not-in-d0", "{subject}: in {state}, not in D0"),
    ("bar-lost", "{subject}: BAR {bar} has lost its address"),
    ("bar-changed", "{subject}: BAR {bar} is of another kind than it was"),
    (
        "bar-resized",
        "{subject}: BAR {bar} had {was_bytes} bytes and has {is_bytes}",
    ),
    ("memory-decode-off", "{subject}: does not decode memory any more"),
    ("payload-size-changed", "{subject}: payload size was {was} and is {is}"),
    ("transactions-pending", "{subject}: transactions pending"),
    ("link-inactive", "{subject}: link not active"),
    ("link-narrower", "{subject}: link had {was} lanes and has {is}"),
    (
        "new-errors",
        "{subject}: {fatal} new fatal and {non_fatal} new non-fatal errors at {at}",
    ),
    (
        "vendor-register-changed",
        "{subject}: vendor register was {was} and is {is}",
    ),
    ("firmware-not-booted", "{subject}: its firmware has not booted"),
    ("not-compared", "{subject}: not compared: {reasons}"),
    ("no-baseline", "there is no baseline"),
    (
        "not-in-baseline",
        "{subject}: cannot be read, so that after a reset it will be unverified: {reasons}",
    ),
    ("not-ready", "{subject}: {readiness}"),
    ("not-examined", "not examined"),
    ("not-well", "{subject} is not well, so that nothing was recorded"),
    ("vbios-unknown", "the version of its VBIOS is not known: {cause}"),
    ("rom-in-use", "its ROM is not read while it is in use"),
    (
        "rom-use-unknown",
        "its ROM is not read: nobody knows whether the GPU is in use",
    ),
    ("recovery-worker-blocked", "it does not come back from the kernel"),
    ("reset-in-progress", "the kernel holds it: a reset is in progress"),
    ("recovery-worker-lost", "its worker: {cause}"),
    ("wrong-answer", "an answer that nobody asked for: {answer}"),
    (
        "recovery-under-way",
        "another recovery is under way in the domain of {subject}",
    ),
    ("lock-failed", "{cause}"),
    ("recovery-interrupted", "a recovery of {subject} was broken off"),
    ("nothing-to-resume", "no recovery of {subject} was broken off"),
    ("resumed", "its recovery was broken off"),
    ("last-reset-unverified", "its last reset was not verified"),
    ("flr-known-good", "FLR of {reset_class}: known good since {since}"),
    ("flr-known-bad", "FLR of {reset_class}: known bad since {since}"),
    ("reset-class-unknown", "{cause}"),
    ("history-line-damaged", "history, line {line}: {cause}"),
    ("history-unreadable", "{cause}"),
    ("history-unwritten", "the history was not written: {cause}"),
    ("record-unreadable", "{cause}"),
    ("record-unwritten", "{cause}"),
    ("no-evidence", "no recovery has left any evidence"),
    ("no-journal", "there is no journal"),
    ("no-functions", "the GPU has no functions"),
    ("evidence-written", "evidence: {subject}"),
    ("evidence-unwritten", "the evidence was not written: {cause}"),
    ("quarantine-unwritten", "the quarantine was not written down: {cause}"),
    ("left-alone", "the GPU is left alone"),
    ("not-restored", "not put back"),
    ("no-bmc", "no BMC is configured"),
    (
        "reset-method-missing",
        "{subject} is not there: this kernel cannot be told which reset to do",
    ),
    (
        "reset-methods-reduced",
        "reset_method was `{was}` and is `{is}`: the kernel does not take the rest any more",
    ),
    (
        "reset-methods-lost",
        "reset_method was `{was}` and could not be put back: {cause}",
    ),
    (
        "flr-kept-out",
        "FLR is kept out of reset_method of {functions}: it is known bad for {reset_class}, and the kernel would do one when a \
         VM opens or closes the GPU",
    ),
    (
        "flr-not-kept-out",
        "{subject}: FLR, which is known bad for it, could not be kept out of reset_method ({cause}): the kernel does one when a VM \
         opens or closes it",
    ),
    (
        "flr-put-back",
        "FLR is in reset_method of {functions} again: it is known good for {reset_class} since {since}",
    ),
    ("no-port-above", "there is no port above the GPU"),
    ("no-bus-number", "{subject} holds `{text}`, which is no bus"),
    ("still-below", "{subject} is still below {port}"),
    (
        "stranger-below",
        "{subject} is below {port} as well, and not part of the GPU",
    ),
    (
        "reset-unproven",
        "{subject} is well, and nothing proves that it was reset: it may keep what its last user left",
    ),
    (
        "in-place-known-good",
        "bus reset in place of {reset_class}: known good since {since}",
    ),
    (
        "in-place-known-bad",
        "bus reset in place of {reset_class}: known bad since {since}",
    ),
    (
        "function-missing",
        "{subject} is missing: a bus reset in place needs every function of the GPU",
    ),
    (
        "mark-kept",
        "{subject} was not reset: the mark that was placed before the reset is still there",
    ),
    (
        "no-mark",
        "{subject}: nothing proves that it was reset, since no register of it keeps a mark that this reset clears",
    ),
    (
        "no-mark-behind-bar",
        "{subject}: no mark behind a BAR ({cause}): only its PCI Express interface can show the reset",
    ),
    (
        "not-reset-by-flr",
        "{subject} was not reset: it has no FLR, and keeps the state that its last user left",
    ),
    (
        "marks-forbidden",
        "{subject}: the kernel forbids to place a mark that would prove the reset ({cause}): under kernel lockdown only a function \
         that was off the bus can be proven",
    ),
    (
        "mark-failed",
        "{subject}: cannot place the mark that would prove the reset: {cause}",
    ),
    ("no-slot", "there is no slot below {subject}"),
    ("bar-sizes-unreadable", "the BAR sizes of {subject} cannot be read"),
    ("no-room-for-bar", "{subject}: the kernel found no room for BAR {bar}"),
    (
        "bar-size-restored",
        "{subject}: BAR {bar} back from {is_bytes} to {was_bytes} bytes",
    ),
    (
        "bound-by-another",
        "{driver} had {subject} before {wanted}, for {time_ms} ms at most",
    ),
    ("bound-by-another-before", "{driver} had {subject} before {wanted}"),
    ("driver-not-removed", "{subject} is still on {driver}"),
    ("wrong-driver", "{subject} is on {driver}, not on {wanted}"),
    ("no-driver", "{subject} is on no driver, not on {wanted}"),
    (
        "iommu-group-changed",
        "{subject}: its IOMMU group was {was} and is {is}",
    ),
    (
        "registers-not-read",
        "{subject}: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO does not read them",
    ),
    (
        "only-function",
        "{subject}: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO: it is the card's only function, and closing its VFIO device would reset it",
    ),
    (
        "no-sibling-to-unbind",
        "{subject}: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO: none of its siblings is vfio-pci's alone, and closing its VFIO device would reset them all",
    ),
    ("no-empty-reset-method", "this kernel cannot be told to do no reset"),
    ("reset-methods-left", "its reset methods are still `{methods}`"),
    ("vfio-failed", "VFIO does not open it: {cause}"),
    (
        "reset-methods-not-restored",
        "the reset methods of {subject} are not put back",
    ),
    ("sibling-not-bound", "{subject} is not put back"),
    (
        "recovery-unverified",
        "it is not handed on as recovered: something could not be compared",
    ),
    ("nothing-reset", "nothing was reset"),
    (
        "kernel-holds-gpu",
        "the kernel holds it until the machine is rebooted, which the contract does not allow: it stays out of service",
    ),
    ("reboot-left", "the kernel holds it until the machine is rebooted"),
    (
        "power-left",
        "no reset is left, and the contract allows no reboot: it stays out of service",
    ),
    (
        "power-or-reboot-left",
        "no reset is left; what may help follows, the least disturbing first",
    ),
    ("way-slot-power", "switch the power of its slot off and on"),
    ("way-bmc", "have the BMC switch the power of its slot or tray"),
    (
        "way-suspend",
        "drain the machine and suspend it to RAM (`deep`), which is said to bring back {about} (source: {source}, \
         confidence: {confidence})",
    ),
    ("way-reboot", "drain the machine and reboot it"),
    (
        "way-power-cycle",
        "switch the machine off and on: a reboot need not take the power from a slot",
    ),
    (
        "quarantine-failed",
        "keep everybody off it: it could not be taken out of service",
    ),
    (
        "out-of-service",
        "{subject} is out of service: quarantined since {since}: {reason}",
    ),
    (
        "out-of-service-unknown",
        "{subject} is out of service: nobody knows whether it is quarantined: {cause}",
    ),
    ("quarantined", "{subject}: taken out of service: {reason}"),
    (
        "forgotten",
        "{gpu}: struck off the quarantine, not in this machine any more: {reason}",
    ),
    (
        "loss-accepted",
        "the loss of an earlier quarantine was accepted: {reason}",
    ),
    (
        "returned",
        "{subject}: returned to service after {resets} verified resets",
    ),
    ("returned-by-force", "{subject}: returned to service by force: {reason}"),
    ("no-gpu-at", "no GPU is at {subject}"),
    ("in-service", "{subject} is in service: nothing stands against it"),
    ("not-quarantined", "nothing stands against a GPU that was at {subject}"),
    ("still-in-machine", "{gpu} is in this machine, at {subject}"),
    (
        "gpu-not-seen",
        "{gpu} is not seen, and no other stands in its place: it may be there and not answer",
    ),
    (
        "quarantine-damaged",
        "{cause}; nobody knows what stood in it: every GPU counts as out of service",
    ),
    (
        "isolated-at-boot",
        "{subject} was isolated at boot, and nothing stands against it now",
    ),
    ("not-isolated", "{subject}: out of service, not isolated"),
    (
        "slot-switched-off",
        "{subject} is not listed, and its slot {slot} was switched off: nothing is done",
    ),
    ("found-by-scan", "{functions}: found by a scan of the bus"),
    (
        "not-found-by-scan",
        "{functions}: not there, and not found by a scan of the bus",
    ),
    ("reset-of-several", "reset {number} of {count}"),
    ("earlier-text", "{text}"),
    ("events-left-out", "{count|event}"),
    ("kernel-log-left-out", "{count|line} of the kernel log, read {when}"),
    ("moment-left-out", "what was read {when}"),
    ("part-not-read", "{part}: {cause}"),
];

pub(super) const STEPS: &[Steps] = &[
    (
        "save-baseline",
        &["`reseat baseline save` records one of a GPU that is well"],
    ),
    ("resume", &["go on with it by `reseat recover {subject} --resume`"]),
    (
        "return-to-service",
        &["`reseat return-to-service {subject}` brings it back once it is well"],
    ),
    (
        "rebuild-after-return",
        &[
            "`reseat return-to-service {subject}` brings it back",
            "making the initramfs anew tells the next boot",
        ],
    ),
    (
        "strike-off",
        &["if it was pulled out, `reseat return-to-service {subject} --force --reason TEXT` strikes it off"],
    ),
    ("list-quarantine", &["`reseat quarantine list` tells more"]),
    (
        "accept-loss",
        &["`reseat quarantine accept-loss --reason TEXT` lets what is known count"],
    ),
    (
        "switch-slot-on",
        &["`echo 1 > /sys/bus/pci/slots/{slot}/power` switches it on"],
    ),
    (
        "stop-user",
        &[
            "stop the virtual machine or the process; then reseat-isolate.timer isolates it within a minute, and `reseat quarantine \
           apply` at once",
        ],
    ),
    (
        "close-vfio",
        &["stop the virtual machine or the process, and recover it then"],
    ),
    (
        "state-fabric",
        &[
            "if nothing is joined to it, say so in /etc/reseat/reseat.toml: `[[recover.gpu]]`, `select = \"{select}\"`, \
             `fabric = \"none\"`",
            "else name its peers there: `fabric = [\"ADDRESS@VENDOR:DEVICE\"]`",
        ],
    ),
    (
        "see-what-is-missing",
        &["`not compared` above has the reason: remove it, or record a baseline again, and then recover the GPU again"],
    ),
    (
        "keep-vms-off",
        &[
            "a kernel since 5.15 has reset_method: `reseat keep-flr-out` tries again",
            "until then take the GPU out of service: `reseat quarantine add GPU --reason TEXT`",
        ],
    ),
    (
        "accept-unproven",
        &[
            "`unproven = \"accept\"` in [recover] of reseat.toml accepts that for every GPU",
            "a slot power cycle resets everything: `reseat recover GPU --rung slot-power`, where the slot has a power controller",
        ],
    ),
];
