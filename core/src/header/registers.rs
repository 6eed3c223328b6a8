//! The registers that every header has.

use bitfield_struct::bitfield;

use crate::config::{ConfigRead, Offset, RegisterError, halves, read};

/// Command: 16 bits at offset 04.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | I/O Space Enable |
/// | 1 | Memory Space Enable |
/// | 2 | Bus Master Enable |
/// | 6 | Parity Error Response |
/// | 8 | SERR# Enable |
/// | 10 | Interrupt Disable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Command {
    /// Responds in its I/O BARs.
    pub io_space: bool,
    /// Responds in its memory BARs.
    pub memory_space: bool,
    /// May issue memory and I/O requests.
    pub bus_master: bool,
    #[bits(3)]
    __: u8,
    /// Handles parity errors.
    pub parity_error_response: bool,
    __: bool,
    /// Reports non-fatal and fatal errors.
    pub serr: bool,
    __: bool,
    /// May not assert `INTx`.
    pub interrupt_disable: bool,
    #[bits(5)]
    __: u8,
}

/// Status: 16 bits at offset 06. Bit 8 and bits 11 to 15 are cleared by writing 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Immediate Readiness |
/// | 3 | Interrupt Status |
/// | 4 | Capabilities List |
/// | 8 | Master Data Parity Error |
/// | 11 | Signaled Target Abort |
/// | 12 | Received Target Abort |
/// | 13 | Received Master Abort |
/// | 14 | Signaled System Error |
/// | 15 | Detected Parity Error |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Status {
    /// Ready immediately after a reset: no waiting time is needed.
    pub immediate_readiness: bool,
    #[bits(2)]
    __: u8,
    /// An `INTx` interrupt is pending.
    pub interrupt: bool,
    /// The function has a list of standard capabilities.
    pub capabilities_list: bool,
    #[bits(3)]
    __: u8,
    /// Received poisoned data as a requester, or sent it.
    pub master_data_parity_error: bool,
    #[bits(2)]
    __: u8,
    /// Completed a request with Completer Abort.
    pub signaled_target_abort: bool,
    /// Received Completer Abort for a request.
    pub received_target_abort: bool,
    /// Received Unsupported Request for a request.
    pub received_master_abort: bool,
    /// Sent a non-fatal or fatal error message.
    pub signaled_system_error: bool,
    /// Received poisoned data.
    pub detected_parity_error: bool,
}

/// Header Type: 8 bits at offset 0e.
///
/// | bits | field |
/// | --- | --- |
/// | 0–6 | Header Layout |
/// | 7 | Multi-Function Device |
#[bitfield(u8, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeaderType {
    /// The layout of the rest of the header.
    #[bits(7)]
    pub layout: LayoutCode,
    /// The device may have other functions.
    pub multi_function: bool,
}

/// The layout of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LayoutCode {
    /// 0: a function other than a bridge.
    Type0,
    /// 1: a bridge between PCI buses.
    Type1,
    /// 2: a bridge to `CardBus`.
    CardBus,
    /// Any other code.
    Other(u8),
}

impl LayoutCode {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Type0,
            1 => Self::Type1,
            2 => Self::CardBus,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Type0 => 0,
            Self::Type1 => 1,
            Self::CardBus => 2,
            Self::Other(bits) => bits & 0x7f,
        }
    }
}

/// Bridge Control of the type 1 layout: 16 bits at offset 3e.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Parity Error Response Enable |
/// | 1 | SERR# Enable |
/// | 2 | ISA Enable |
/// | 3 | VGA Enable |
/// | 4 | VGA 16-bit Decode |
/// | 5 | Master Abort Mode |
/// | 6 | Secondary Bus Reset |
/// | 7 | Fast Back-to-Back Transactions Enable |
/// | 8 | Primary Discard Timer |
/// | 9 | Secondary Discard Timer |
/// | 10 | Discard Timer Status |
/// | 11 | Discard Timer SERR# Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BridgeControl {
    /// Handles parity errors of the secondary bus.
    pub parity_error_response: bool,
    /// Forwards the errors reported on the secondary bus.
    pub serr: bool,
    /// Keeps legacy ISA ports off the secondary bus.
    pub isa: bool,
    /// VGA addresses are forwarded to the secondary bus.
    pub vga: bool,
    /// VGA ports are decoded in all 16 bits.
    pub vga_16_bit: bool,
    /// An unanswered request on the secondary bus is an error instead of all-ones. 0 on PCI Express.
    pub master_abort: bool,
    /// Holds everything on the secondary bus and below in reset until the bit is cleared.
    #[doc(alias = "SBR")]
    pub secondary_bus_reset: bool,
    /// 0 on PCI Express, as are all bits above it.
    pub fast_back_to_back: bool,
    /// Uses the shorter timeout on the primary bus.
    pub primary_discard_timer: bool,
    /// Uses the shorter timeout on the secondary bus.
    pub secondary_discard_timer: bool,
    /// A discard timer expired. Cleared by writing 1.
    pub discard_timer_status: bool,
    /// Reports an expired discard timer.
    pub discard_timer_serr: bool,
    #[bits(4)]
    __: u8,
}

impl BridgeControl {
    /// Reads Interrupt Pin and Bridge Control, which share a register.
    pub(super) fn read_with_pin<R: ConfigRead>(
        reader: &mut R,
    ) -> Result<(InterruptPin, Self), RegisterError<R::Error>> {
        let register = read(reader, INTERRUPT)?;
        let (_, control) = halves(register);
        Ok((InterruptPin::of(register), Self::from_bits(control)))
    }
}

/// The register with Interrupt Pin.
const INTERRUPT: Offset = Offset::at::<0x3c>();

/// Interrupt Pin, 8 bits at offset 3d: the `INTx` interrupt of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum InterruptPin {
    /// 0: none.
    None,
    /// 1: INTA.
    A,
    /// 2: INTB.
    B,
    /// 3: INTC.
    C,
    /// 4: INTD.
    D,
    /// Any other code.
    Other(u8),
}

impl InterruptPin {
    pub(super) fn read<R: ConfigRead>(reader: &mut R) -> Result<Self, RegisterError<R::Error>> {
        Ok(Self::of(read(reader, INTERRUPT)?))
    }

    const fn of(register: u32) -> Self {
        let [_, pin, ..] = register.to_le_bytes();
        match pin {
            0 => Self::None,
            1 => Self::A,
            2 => Self::B,
            3 => Self::C,
            4 => Self::D,
            other => Self::Other(other),
        }
    }
}
