//! Both lists of capabilities: order, offsets, versions, IDs, and how they end.

use crate::differences::{Reason, Tally};
use crate::{lspci, ours};

/// Compares one list. `end` is the end of ours.
pub(crate) fn compare(
    name: &str,
    ours: &[ours::Capability<'_>],
    end: ours::End<'_>,
    theirs: &[&lspci::Capability],
    tally: &mut Tally,
) {
    let kind = end.kind();
    let is_extended = name == "extended";
    for (n, their) in theirs.iter().enumerate() {
        let ends_here = ours.len() == n;
        let Some(offset) = their.offset else {
            // <access denied>: the next one could not be read.
            if !(ends_here && matches!(kind, "out-of-range" | "unreadable")) {
                tally.differs(format!("{name}: lspci cannot read the next one, ours ends {end}"));
            }
            return;
        };
        if their.head() == "<chain looped>" {
            if !(ends_here && kind == "cycle" && end.pointer() == Some(offset.into())) {
                tally.differs(format!("{name}: lspci is back at {offset:x}, ours ends {end}"));
            }
            return;
        }
        if offset < if is_extended { 0x100 } else { 0x40 } {
            if !(ends_here && kind == "out-of-range") {
                tally.differs(format!("{name}: lspci goes to {offset:x}, ours ends {end}"));
            }
            return tally.explain(Reason::PointerOutside);
        }
        if their.head() == "<chain broken>" {
            let same = ours
                .get(n)
                .is_some_and(|our| our.offset() == offset && our.id() == 0xff);
            let all_ones = ends_here && kind == "unreadable" && end.is_all_ones();
            if !same && !all_ones {
                tally.differs(format!("{name}: lspci's is broken at {offset:x}, ours ends {end}"));
            }
            return tally.explain(Reason::IdFf);
        }
        let Some(our) = ours.get(n) else {
            return tally.differs(format!(
                "{name}: lspci has {} at {offset:x}, ours ends {end}",
                their.head()
            ));
        };
        tally.capabilities += 1;
        let version = their.version.map(u64::from);
        tally.same(format_args!("{name} offset {n}"), &our.offset(), &offset);
        tally.same(format_args!("{name} version at {offset:x}"), &our.version(), &version);
        let ids = ids(their);
        match ids.contains(&our.id()) {
            false if ids.is_empty() => {
                tally.unknown_names.insert(their.head().to_owned());
                tally.explain(Reason::UnknownName);
            }
            is_same => tally.same(
                format_args!("{name} ID at {offset:x}, {}", their.head()),
                &is_same,
                &true,
            ),
        }
    }
    rest(name, ours.get(theirs.len()..).unwrap_or(&[]), end, is_extended, tally);
}

/// What ours has after the last one of theirs.
fn rest(name: &str, rest: &[ours::Capability<'_>], end: ours::End<'_>, is_extended: bool, tally: &mut Tally) {
    match rest {
        [] => {}
        [last] if is_extended && last.is_all_zeros() => tally.explain(Reason::ZeroHeader),
        [more, ..] => return tally.differs(format!("{name}: ours has more from {:x} on", more.offset())),
    }
    // lspci says nothing where an extended header cannot be read, and masks the reserved bits before it looks for 0.
    let same = match end.kind() {
        "complete" | "misaligned" | "" => true,
        "out-of-range" | "unreadable" => is_extended,
        _ => false,
    };
    if !same {
        tally.differs(format!("{name}: lspci's is complete, ours ends {end}"));
    }
}

/// The IDs that a capability's name can stand for; none for a name that is not in the table.
fn ids(capability: &lspci::Capability) -> Vec<u16> {
    let head = capability.head();
    let (number, names) = match capability.is_extended() {
        true => ("Extended Capability ID ", EXTENDED),
        false => ("Capability ID ", STANDARD),
    };
    if let Some(rest) = head.strip_prefix(number) {
        let digits = rest.split(' ').next().unwrap_or("").trim_start_matches("0x");
        return u16::from_str_radix(digits, 16).into_iter().collect();
    }
    let found = names
        .iter()
        .find(|(name, _)| head.starts_with(name))
        .map(|(name, _)| name);
    let same = names.iter().filter(|(name, _)| Some(name) == found);
    same.map(|(_, id)| *id).collect()
}

/// The beginnings of names, longer ones before those that they begin with.
const STANDARD: &[(&str, u16)] = &[
    ("Null", 0x00),
    ("Power Management", 0x01),
    ("AGP version", 0x02),
    ("Vital Product Data", 0x03),
    ("Slot ID", 0x04),
    ("MSI-X", 0x11),
    ("MSI", 0x05),
    ("CompactPCI hot-swap", 0x06),
    ("PCI-X", 0x07),
    ("HyperTransport", 0x08),
    ("Vendor Specific Information", 0x09),
    ("Debug port", 0x0a),
    ("CompactPCI central resource control", 0x0b),
    ("Hot-plug capable", 0x0c),
    ("Subsystem", 0x0d),
    ("AGP3", 0x0e),
    ("Secure device", 0x0f),
    ("Express", 0x10),
    ("SATA HBA", 0x12),
    ("PCI Advanced Features", 0x13),
    ("Enhanced Allocation", 0x14),
];

const EXTENDED: &[(&str, u16)] = &[
    ("Null", 0x00),
    ("Advanced Error Reporting", 0x01),
    ("Virtual Channel", 0x02),
    ("Virtual Channel", 0x09),
    ("Device Serial Number", 0x03),
    ("Power Budgeting", 0x04),
    ("Root Complex Link", 0x05),
    ("Root Complex Internal Link", 0x06),
    ("Root Complex Event Collector", 0x07),
    ("Multi-Function Virtual Channel", 0x08),
    ("Root Complex Register Block", 0x0a),
    ("Vendor Specific Information", 0x0b),
    ("Access Control Services", 0x0d),
    ("Alternative Routing-ID Interpretation", 0x0e),
    ("Address Translation Service", 0x0f),
    ("Single Root I/O Virtualization", 0x10),
    ("Multi-Root I/O Virtualization", 0x11),
    ("Multicast", 0x12),
    ("Page Request Interface", 0x13),
    ("Physical Resizable BAR", 0x15),
    ("Dynamic Power Allocation", 0x16),
    ("Transaction Processing Hints", 0x17),
    ("Latency Tolerance Reporting", 0x18),
    ("Secondary PCI Express", 0x19),
    ("Protocol Multiplexing", 0x1a),
    ("Process Address Space ID", 0x1b),
    ("LN Requester", 0x1c),
    ("Downstream Port Containment", 0x1d),
    ("L1 PM Substates", 0x1e),
    ("Precision Time Measurement", 0x1f),
    ("PCI Express over M_PHY", 0x20),
    ("FRS Queueing", 0x21),
    ("Readiness Time Reporting", 0x22),
    ("Designated Vendor-Specific", 0x23),
    ("Virtual Resizable BAR", 0x24),
    ("Data Link Feature", 0x25),
    ("Physical Layer 16.0 GT/s", 0x26),
    ("Lane Margining at the Receiver", 0x27),
    ("Hierarchy ID", 0x28),
    ("Native PCIe Enclosure Management", 0x29),
    ("Physical Layer 32.0 GT/s", 0x2a),
    ("Data Object Exchange", 0x2e),
    ("Device 3", 0x2f),
    ("Integrity & Data Encryption", 0x30),
    ("Physical Layer 64.0 GT/s", 0x31),
];
