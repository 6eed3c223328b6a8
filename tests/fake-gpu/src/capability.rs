//! Capability bodies: identifiers, power-on values and write masks.
//!
//! Values come from dumps of real parts (the profiles say which); masks follow the register
//! layouts of the PCI Express Base Specification.

use crate::config_space::Register;

/// A standard capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Power Management, version 3.
    PowerManagement {
        /// The Power Management Capabilities word.
        capabilities: u16,
        /// What a return from D3hot to D0 does.
        return_to_d0: ReturnToD0,
    },
    /// MSI with one vector and a 64-bit address.
    Msi,
    /// PCI Express, version 2.
    Express(Express),
    /// A vendor-specific capability.
    VendorSpecific {
        /// Its length in bytes, header included.
        length: u8,
        /// The byte after the length.
        revision: u8,
    },
    /// An MSI capability that the part has turned off and left in the list: ID 00h.
    Null,
    /// MSI-X with these dwords after its header: where the table is, and where the pending bits are.
    MsiX {
        /// The table's size, less one.
        last_vector: u16,
        /// Table Offset and BIR.
        table: u32,
        /// PBA Offset and BIR.
        pending: u32,
    },
}

/// What a return from D3hot to D0 does to a function: PMCSR's `No_Soft_Reset` bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnToD0 {
    /// State is kept (`No_Soft_Reset` set).
    KeepsState,
    /// The function is reset (`No_Soft_Reset` clear).
    Resets,
}

/// The PCI Express capability's values after power-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Express {
    /// PCI Express Capabilities.
    pub capabilities: u16,
    /// Device Capabilities.
    pub device_capabilities: u32,
    /// Link Capabilities.
    pub link_capabilities: u32,
    /// Link Status.
    pub link_status: u16,
    /// Device Capabilities 2.
    pub device_capabilities_2: u32,
    /// Link Capabilities 2.
    pub link_capabilities_2: u32,
    /// Link Control 2.
    pub link_control_2: u16,
    /// Link Status 2.
    pub link_status_2: u16,
}

/// `No_Soft_Reset` in PMCSR.
pub(crate) const NO_SOFT_RESET: u32 = 0x0008;
/// `PME_En` in PMCSR.
const PME_ENABLE: u32 = 0x0100;
/// `PME_Status` in PMCSR.
const PME_STATUS: u32 = 0x8000;

/// Device Control after power-on: relaxed ordering, no snoop, 512-byte reads.
const DEVICE_CONTROL: u32 = 0x2810;
/// Device Control without bit 15, which starts an FLR and reads as zero.
const DEVICE_CONTROL_WRITABLE: u32 = 0x79ff;
/// Device Status: the four error bits.
const DEVICE_STATUS_ERRORS: u32 = 0x000f_0000;

impl Capability {
    /// The registers, with the identifier and without the link.
    #[must_use]
    pub fn registers(&self) -> Vec<Register> {
        match self {
            Self::PowerManagement {
                capabilities,
                return_to_d0,
            } => power_management(*capabilities, *return_to_d0),
            Self::Msi => msi(),
            Self::Express(express) => express.registers(),
            Self::VendorSpecific { length, revision } => vendor_specific(*length, *revision),
            Self::Null => vec![Register::read_only(0x0080_0000)],
            Self::MsiX {
                last_vector,
                table,
                pending,
            } => vec![
                // Enable and Function Mask are writable.
                Register::read_write(u32::from(*last_vector) << 16 | 0x11, 0xc000_0000),
                Register::read_only(*table),
                Register::read_only(*pending),
            ],
        }
    }
}

fn power_management(capabilities: u16, return_to_d0: ReturnToD0) -> Vec<Register> {
    let no_soft_reset = match return_to_d0 {
        ReturnToD0::KeepsState => NO_SOFT_RESET,
        ReturnToD0::Resets => 0,
    };
    vec![
        Register::read_only(u32::from(capabilities) << 16 | 0x01),
        // The power state itself is set by the function, which knows whether it obeys.
        Register::read_write(no_soft_reset, PME_ENABLE).with_clear_on_one(PME_STATUS),
    ]
}

fn msi() -> Vec<Register> {
    vec![
        // 64-bit capable, one vector; enable and Multiple Message Enable are writable.
        Register::read_write(0x0080_0005, 0x0071_0000),
        Register::read_write(0, 0xffff_fffc),
        Register::read_write(0, 0xffff_ffff),
        Register::read_write(0, 0x0000_ffff),
    ]
}

fn vendor_specific(length: u8, revision: u8) -> Vec<Register> {
    let header = u32::from(revision) << 24 | u32::from(length) << 16 | 0x09;
    let mut registers = vec![Register::default(); usize::from(length).div_ceil(4)];
    if let Some(first) = registers.first_mut() {
        *first = Register::read_only(header);
    }
    registers
}

impl Express {
    fn registers(&self) -> Vec<Register> {
        let unused = Register::default();
        vec![
            Register::read_only(u32::from(self.capabilities) << 16 | 0x10),
            Register::read_only(self.device_capabilities),
            Register::read_write(DEVICE_CONTROL, DEVICE_CONTROL_WRITABLE).with_clear_on_one(DEVICE_STATUS_ERRORS),
            Register::read_only(self.link_capabilities),
            Register::read_write(u32::from(self.link_status) << 16, 0x03fb),
            // Slot and root registers: none in an endpoint.
            unused,
            unused,
            unused,
            unused,
            Register::read_only(self.device_capabilities_2),
            Register::read_write(0, 0x7fff),
            Register::read_only(self.link_capabilities_2),
            Register::read_write(
                u32::from(self.link_status_2) << 16 | u32::from(self.link_control_2),
                0xffff,
            ),
            unused,
            unused,
        ]
    }
}

/// An extended capability: identifier, version and the registers after its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    id: u16,
    version: u8,
    body: Vec<Register>,
}

/// Uncorrectable error bits that a function reports.
const UNCORRECTABLE: u32 = 0x07ff_f030;
/// Correctable error bits that a function reports.
const CORRECTABLE: u32 = 0x0000_f1c1;

impl Extended {
    /// The registers with the header, without the link.
    #[must_use]
    pub fn registers(&self) -> Vec<Register> {
        let header = u32::from(self.version) << 16 | u32::from(self.id);
        let mut registers = vec![Register::read_only(header)];
        registers.extend_from_slice(&self.body);
        registers
    }

    fn read_only(id: u16, version: u8, body: &[u32]) -> Self {
        Self {
            id,
            version,
            body: body.iter().copied().map(Register::read_only).collect(),
        }
    }

    /// Advanced Error Reporting, version 2, with this correctable mask.
    #[must_use]
    pub fn aer(correctable_mask: u32) -> Self {
        let mut body = vec![
            Register::read_only(0).with_clear_on_one(UNCORRECTABLE),
            Register::read_write(0, UNCORRECTABLE),
            // The severity that every dump of a GPU shows.
            Register::read_write(0x0046_2030, UNCORRECTABLE),
            Register::read_only(0).with_clear_on_one(CORRECTABLE),
            Register::read_write(correctable_mask, CORRECTABLE),
        ]
        .into_iter()
        .map(Register::kept_over_resets)
        .collect::<Vec<_>>();
        // Capabilities and Control, and the header log.
        body.extend([Register::default(); 5]);
        Self {
            id: 0x0001,
            version: 2,
            body,
        }
    }

    /// Virtual Channel with VC0 only, all traffic classes on it.
    #[must_use]
    pub fn virtual_channel() -> Self {
        let mut body = vec![Register::default(); 6];
        if let Some(control) = body.get_mut(4) {
            *control = Register::read_write(0x8000_00ff, 0x0000_00fe);
        }
        Self {
            id: 0x0002,
            version: 1,
            body,
        }
    }

    /// Power Budgeting with one entry.
    #[must_use]
    pub fn power_budgeting(entry: u32) -> Self {
        Self {
            id: 0x0004,
            version: 1,
            body: vec![
                Register::read_write(0, 0xff),
                Register::read_only(entry),
                Register::read_only(0),
            ],
        }
    }

    /// Device Serial Number: the lower half first.
    #[must_use]
    pub fn serial_number(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        let halves = [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])];
        Self::read_only(0x0003, 1, &halves)
    }

    /// A vendor-specific extended capability: its own header, then its body.
    #[must_use]
    pub fn vendor_specific(body: &[u32]) -> Self {
        Self::read_only(0x000b, 1, body)
    }

    /// ACS with no bit supported.
    #[must_use]
    pub fn acs_without_support() -> Self {
        Self::read_only(0x000d, 1, &[0])
    }

    /// Resizable BAR: pairs of capability and control. The size fields are read-only here, because
    /// QEMU takes a BAR's size once, when it connects.
    #[must_use]
    pub fn resizable_bars(pairs: &[u32]) -> Self {
        Self::read_only(0x0015, 1, pairs)
    }

    /// ARI, with no next function.
    #[must_use]
    pub fn alternative_routing_id() -> Self {
        Self::read_only(0x000e, 1, &[0])
    }

    /// ATS with this capability and control, off.
    #[must_use]
    pub fn address_translation() -> Self {
        Self {
            id: 0x000f,
            version: 1,
            body: vec![Register::read_write(0x0000_0020, 0x801f_0000)],
        }
    }

    /// The Page Request Interface, stopped, with 100h outstanding requests.
    #[must_use]
    pub fn page_requests() -> Self {
        Self {
            id: 0x0013,
            version: 1,
            body: vec![
                Register::read_write(0x0100_0000, 0x0000_0003),
                Register::read_only(0x100),
                Register::read_write(0, 0xffff_ffff),
            ],
        }
    }

    /// Latency Tolerance Reporting with nothing set.
    #[must_use]
    pub fn latency_tolerance() -> Self {
        Self {
            id: 0x0018,
            version: 1,
            body: vec![Register::read_write(0, 0x1fff_1fff)],
        }
    }

    /// Secondary PCI Express for 16 lanes, each with this equalization control.
    #[must_use]
    pub fn secondary_pci_express(lane: u16) -> Self {
        let lanes = u32::from(lane) << 16 | u32::from(lane);
        let mut body = vec![0; 2];
        body.extend([lanes; 8]);
        Self::read_only(0x0019, 1, &body)
    }

    /// PASID with this capability word.
    #[must_use]
    pub fn pasid(capability: u16) -> Self {
        Self {
            id: 0x001b,
            version: 1,
            body: vec![Register::read_write(u32::from(capability), 0x0007_0000)],
        }
    }

    /// L1 PM Substates.
    #[must_use]
    pub fn l1_substates(capabilities: u32, control_1: u32, control_2: u32) -> Self {
        Self {
            id: 0x001e,
            version: 1,
            body: vec![
                Register::read_only(capabilities),
                Register::read_write(control_1, 0xe3ff_ff0f),
                Register::read_write(control_2, 0x0000_00fb),
            ],
        }
    }

    /// Data Link Feature.
    #[must_use]
    pub fn data_link_feature() -> Self {
        Self::read_only(0x0025, 1, &[0x8000_0001, 0x8000_0001])
    }

    /// Physical Layer 16.0 GT/s for 16 lanes.
    #[must_use]
    pub fn physical_layer_16() -> Self {
        let mut body = vec![0, 0, 0x0000_000f, 0, 0, 0, 0];
        body.extend([0x7070_7070; 4]);
        Self::read_only(0x0026, 1, &body)
    }

    /// Lane Margining at the Receiver for 16 lanes.
    #[must_use]
    pub fn lane_margining() -> Self {
        let mut body = vec![0x0003_0001];
        body.extend([0x0000_9c38; 16]);
        Self::read_only(0x0027, 1, &body)
    }
}
