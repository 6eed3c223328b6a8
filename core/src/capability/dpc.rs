//! The Downstream Port Containment capability (DPC): a port takes its link down when an error arrives from below.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | bits 0–15: DPC Capability, 16–31: DPC Control |
//! | 8 | bits 0–15: DPC Status, 16–31: DPC Error Source ID |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

const CAPABILITY_CONTROL: Offset = Offset::at::<0x04>();
const STATUS_SOURCE: Offset = Offset::at::<0x08>();

/// A port's Downstream Port Containment capability.
///
/// Each method reads one register on every call.
#[derive(Clone, Debug)]
pub struct Dpc<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(Dpc, ExtendedId::DPC);

impl<R: ConfigRead> Dpc<R> {
    /// DPC Capability and DPC Control.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn capability_control(&mut self) -> Result<(DpcCapability, DpcControl), ViewError<R::Error>> {
        let (capability, control) = halves(self.view.read_answer(CAPABILITY_CONTROL)?);
        Ok((capability.into(), control.into()))
    }

    /// DPC Status and DPC Error Source ID. The latter is the Requester ID of the sender if an error message triggered
    /// containment.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn status_source(&mut self) -> Result<(DpcStatus, u16), ViewError<R::Error>> {
        let (status, source) = halves(self.view.read_answer(STATUS_SOURCE)?);
        Ok((status.into(), source))
    }
}

/// DPC Capability.
///
/// | bits | field |
/// | --- | --- |
/// | 0–4 | DPC Interrupt Message Number |
/// | 5 | RP Extensions for DPC |
/// | 6 | Poisoned TLP Egress Blocking Supported |
/// | 7 | DPC Software Triggering Supported |
/// | 8–11 | RP PIO Log Size |
/// | 12 | `DL_Active` `ERR_COR` Signaling Supported |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DpcCapability {
    /// The MSI or MSI-X vector for containment events.
    #[bits(5, access = RO)]
    pub dpc_interrupt_message_number: u8,
    /// Has the registers for errors of the root port's own requests (RP PIO).
    pub rp_extensions_for_dpc: bool,
    /// Can block data marked as bad on its way out.
    pub poisoned_tlp_egress_blocking_supported: bool,
    /// Software can trigger containment.
    pub dpc_software_triggering_supported: bool,
    /// The number of 32-bit registers in the RP PIO log.
    #[bits(4, access = RO)]
    pub rp_pio_log_size: u8,
    /// Can report a link that becomes active as a correctable error.
    pub dl_active_err_cor_signaling_supported: bool,
    #[bits(3)]
    __: u8,
}

/// DPC Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0–1 | DPC Trigger Enable |
/// | 2 | DPC Completion Control |
/// | 3 | DPC Interrupt Enable |
/// | 4 | DPC `ERR_COR` Enable |
/// | 5 | Poisoned TLP Egress Blocking Enable |
/// | 6 | DPC Software Trigger |
/// | 7 | `DL_Active` `ERR_COR` Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DpcControl {
    /// The errors that trigger containment.
    #[bits(2)]
    pub dpc_trigger_enable: DpcTrigger,
    /// Requests to a contained link complete as unsupported instead of aborted.
    pub dpc_completion_control: bool,
    /// Containment raises an interrupt.
    pub dpc_interrupt_enable: bool,
    /// Containment is reported as a correctable error.
    pub dpc_err_cor_enable: bool,
    /// Blocks data marked as bad on its way out.
    pub poisoned_tlp_egress_blocking_enable: bool,
    /// Writing 1 triggers containment; reads 0.
    pub dpc_software_trigger: bool,
    /// A link that becomes active is reported as a correctable error.
    pub dl_active_err_cor_enable: bool,
    #[bits(8)]
    __: u8,
}

/// DPC Status. Bits 0 and 3 are cleared by writing 1. Clearing bit 0 releases the link.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | DPC Trigger Status |
/// | 1–2 | DPC Trigger Reason |
/// | 3 | DPC Interrupt Status |
/// | 4 | DPC RP Busy |
/// | 5–6 | DPC Trigger Reason Extension |
/// | 8–12 | RP PIO First Error Pointer |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DpcStatus {
    /// The link is contained.
    pub dpc_trigger_status: bool,
    /// The reason for containment.
    #[bits(2)]
    pub dpc_trigger_reason: DpcReason,
    /// An interrupt was sent or is pending.
    pub dpc_interrupt_status: bool,
    /// The root port is still busy: Trigger Status must not be cleared yet.
    pub dpc_rp_busy: bool,
    /// Details of the reason if it is [`DpcReason::Extension`].
    #[bits(2)]
    pub dpc_trigger_reason_extension: DpcReasonExtension,
    __: bool,
    /// The bit of the first RP PIO error.
    #[bits(5, access = RO)]
    pub rp_pio_first_error_pointer: u8,
    #[bits(3)]
    __: u8,
}

/// The errors that trigger containment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DpcTrigger {
    /// 0: no error.
    Disabled,
    /// 1: fatal errors.
    Fatal,
    /// 2: fatal and non-fatal errors.
    NonFatalOrFatal,
    /// 3: reserved.
    Other(u8),
}

impl DpcTrigger {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Disabled,
            1 => Self::Fatal,
            2 => Self::NonFatalOrFatal,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Fatal => 1,
            Self::NonFatalOrFatal => 2,
            Self::Other(bits) => bits & 0x3,
        }
    }
}

/// The reason for containment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DpcReason {
    /// 0: an uncorrectable error of the port itself.
    UncorrectableError,
    /// 1: a non-fatal error message from below.
    NonFatalMessage,
    /// 2: a fatal error message from below.
    FatalMessage,
    /// 3: see [`DpcReasonExtension`].
    Extension,
}

impl DpcReason {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::UncorrectableError,
            1 => Self::NonFatalMessage,
            2 => Self::FatalMessage,
            _ => Self::Extension,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::UncorrectableError => 0,
            Self::NonFatalMessage => 1,
            Self::FatalMessage => 2,
            Self::Extension => 3,
        }
    }
}

/// Details of the reason for containment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DpcReasonExtension {
    /// 0: an error of the root port's own requests (RP PIO).
    RpPioError,
    /// 1: a trigger by software.
    SoftwareTrigger,
    /// 2 or 3: reserved.
    Other(u8),
}

impl DpcReasonExtension {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::RpPioError,
            1 => Self::SoftwareTrigger,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::RpPioError => 0,
            Self::SoftwareTrigger => 1,
            Self::Other(bits) => bits & 0x3,
        }
    }
}
