//! The 64 bytes at the start of configuration space.
//!
//! | offset | all layouts | type 0 | type 1 (bridge) | type 2 (`CardBus` bridge) |
//! | --- | --- | --- | --- | --- |
//! | 00 | Vendor ID, Device ID | | | |
//! | 04 | Command, Status | | | |
//! | 08 | Revision ID, Class Code | | | |
//! | 0c | Header Type (byte 0e) | | | |
//! | 10 | | six BARs | two BARs | one base address |
//! | 14 | | | | Capabilities Pointer (byte 14) |
//! | 18 | | | bus numbers | bus numbers |
//! | 2c | | subsystem | | |
//! | 34 | | Capabilities Pointer | Capabilities Pointer | |
//! | 3c | | Interrupt Pin (byte 3d) | Interrupt Pin (byte 3d) | Interrupt Pin (byte 3d) |
//! | 3e | | | Bridge Control | |
//! | 40 | | | | subsystem |
//!
//! A caller that has to save reads takes [`Common`] (4 reads) and only the capability pointer of the rest (1 read).
//! [`Header`] reads the whole layout: 13 reads for type 0, 9 for the others.

mod bar;
mod identity;
mod registers;

use crate::capability::Pointer;
use crate::config::{ConfigRead, Offset, RegisterError, halves, read, read_answer};

pub use self::bar::{Bar, BarKind, Bars};
pub use self::identity::{ClassCode, Identity, ParseClassCodeError, ParseIdentityError, is_gpu};
pub use self::registers::{BridgeControl, Command, HeaderType, InterruptPin, LayoutCode, Status};

/// The part of a header that is the same in every layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Common {
    /// Vendor ID and Device ID; `ffff:ffff` in a virtual function.
    pub identity: Identity,
    /// The Command register.
    pub command: Command,
    /// The Status register.
    pub status: Status,
    /// Revision ID.
    pub revision: u8,
    /// Class Code.
    pub class: ClassCode,
    /// Header Type.
    pub header_type: HeaderType,
}

impl Common {
    /// Reads the first four registers.
    ///
    /// # Errors
    ///
    /// [`RegisterError::AllOnes`] if Command and Status read all-ones. All-ones in the register before them is not an
    /// error: virtual functions read so.
    pub fn read<R: ConfigRead>(mut reader: R) -> Result<Self, RegisterError<R::Error>> {
        let identity = read(&mut reader, Offset::at::<0x00>())?;
        let command_status = read_answer(&mut reader, COMMAND_STATUS)?;
        let [revision, interface, sub_class, base_class] = read(&mut reader, Offset::at::<0x08>())?.to_le_bytes();
        let [_, _, header_type, _] = read(&mut reader, HEADER_TYPE)?.to_le_bytes();
        let (command, status) = halves(command_status);
        Ok(Self {
            identity: Identity::from_register(identity),
            command: Command::from_bits(command),
            status: Status::from_bits(status),
            revision,
            class: ClassCode {
                base_class,
                sub_class,
                interface,
            },
            header_type: HeaderType::from_bits(header_type),
        })
    }

    /// Reads the start of the standard capabilities. One read. If the layout is unknown, so is the pointer's location:
    /// no read, and `None`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Failed`] with the reader's own error.
    pub fn read_capability_pointer<R: ConfigRead>(
        &self,
        mut reader: R,
    ) -> Result<Option<CapabilityPointer>, RegisterError<R::Error>> {
        let Some(at) = self.header_type.layout().pointer_offset() else {
            return Ok(None);
        };
        let pointer = pointer(read(&mut reader, at)?);
        Ok(Some(CapabilityPointer::new(self.status, at, pointer)))
    }
}

/// A header: the common part and the part of its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// The first four registers.
    pub common: Common,
    /// The part of its layout.
    pub layout: Layout,
}

impl Header {
    /// Reads a header. If the layout is unknown, it reads only the common part.
    ///
    /// # Errors
    ///
    /// As [`Common::read`].
    pub fn read<R: ConfigRead>(mut reader: R) -> Result<Self, RegisterError<R::Error>> {
        let common = Common::read(&mut reader)?;
        let layout = match common.header_type.layout() {
            LayoutCode::Type0 => Layout::Type0(Type0::read(&mut reader)?),
            LayoutCode::Type1 => Layout::Type1(Type1::read(&mut reader)?),
            LayoutCode::CardBus => Layout::CardBus(CardBus::read(&mut reader)?),
            LayoutCode::Other(_) => Layout::Unknown,
        };
        Ok(Self { common, layout })
    }

    /// The start of the standard capabilities, without another read; `None` if the layout is unknown, and with it the
    /// pointer's location.
    pub fn capability_pointer(&self) -> Option<CapabilityPointer> {
        let at = self.common.header_type.layout().pointer_offset()?;
        let pointer = match &self.layout {
            Layout::Type0(layout) => layout.pointer,
            Layout::Type1(layout) => layout.pointer,
            Layout::CardBus(layout) => layout.pointer,
            Layout::Unknown => return None,
        };
        Some(CapabilityPointer::new(self.common.status, at, pointer))
    }
}

/// The part of a header that depends on its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// A function other than a bridge.
    Type0(Type0),
    /// A bridge between PCI buses; every PCIe port is one.
    Type1(Type1),
    /// A bridge to `CardBus`.
    CardBus(CardBus),
    /// An unknown layout: nothing more was read.
    Unknown,
}

/// The type 0 layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Type0 {
    /// The six BARs.
    pub bars: Bars,
    /// Subsystem Vendor ID and Subsystem ID.
    pub subsystem: Identity,
    /// Capabilities Pointer.
    pub pointer: Pointer,
    /// Interrupt Pin.
    pub interrupt_pin: InterruptPin,
}

impl Type0 {
    fn read<R: ConfigRead>(reader: &mut R) -> Result<Self, RegisterError<R::Error>> {
        Ok(Self {
            bars: Bars::read(reader, &Bars::TYPE_0)?,
            subsystem: Identity::from_register(read(reader, Offset::at::<0x2c>())?),
            pointer: pointer(read(reader, POINTER)?),
            interrupt_pin: InterruptPin::read(reader)?,
        })
    }
}

/// The type 1 layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Type1 {
    /// The two BARs.
    pub bars: Bars,
    /// The buses that the bridge connects.
    pub buses: BusNumbers,
    /// Capabilities Pointer.
    pub pointer: Pointer,
    /// Interrupt Pin.
    pub interrupt_pin: InterruptPin,
    /// Bridge Control.
    pub bridge_control: BridgeControl,
}

impl Type1 {
    fn read<R: ConfigRead>(reader: &mut R) -> Result<Self, RegisterError<R::Error>> {
        let bars = Bars::read(reader, &Bars::TYPE_1)?;
        let buses = BusNumbers::read(reader)?;
        let pointer = pointer(read(reader, POINTER)?);
        let (interrupt_pin, bridge_control) = BridgeControl::read_with_pin(reader)?;
        Ok(Self {
            bars,
            buses,
            pointer,
            interrupt_pin,
            bridge_control,
        })
    }
}

/// The type 2 layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CardBus {
    /// The one base address.
    pub bars: Bars,
    /// The buses that the bridge connects; the secondary one is the `CardBus`.
    pub buses: BusNumbers,
    /// Subsystem Vendor ID and Subsystem ID; `None` if only 64 bytes are readable.
    pub subsystem: Option<Identity>,
    /// Capabilities Pointer.
    pub pointer: Pointer,
    /// Interrupt Pin.
    pub interrupt_pin: InterruptPin,
}

impl CardBus {
    fn read<R: ConfigRead>(reader: &mut R) -> Result<Self, RegisterError<R::Error>> {
        const SUBSYSTEM: Offset = Offset::at::<0x40>();
        let subsystem = if reader.size().contains(SUBSYSTEM) {
            Some(Identity::from_register(read(reader, SUBSYSTEM)?))
        } else {
            None
        };
        Ok(Self {
            bars: Bars::read(reader, &Bars::CARD_BUS)?,
            buses: BusNumbers::read(reader)?,
            subsystem,
            pointer: pointer(read(reader, CARD_BUS_POINTER)?),
            interrupt_pin: InterruptPin::read(reader)?,
        })
    }
}

/// The buses that a bridge connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BusNumbers {
    /// The bus that the bridge is on.
    pub primary: u8,
    /// The bus directly below.
    pub secondary: u8,
    /// The highest bus below.
    pub subordinate: u8,
}

impl BusNumbers {
    fn read<R: ConfigRead>(reader: &mut R) -> Result<Self, RegisterError<R::Error>> {
        let [primary, secondary, subordinate, _] = read(reader, Offset::at::<0x18>())?.to_le_bytes();
        Ok(Self {
            primary,
            secondary,
            subordinate,
        })
    }
}

/// The start of the standard capabilities, from the header.
///
/// The header states it twice, in Status and in the pointer, and the two can disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CapabilityPointer {
    /// Status announces a list: it begins where the pointer leads.
    Listed {
        /// The register that holds the pointer.
        at: Offset,
        /// The pointer.
        pointer: Pointer,
    },
    /// Status announces no list, but there is a pointer. It is not followed.
    Unlisted {
        /// The register that holds the pointer.
        at: Offset,
        /// The pointer.
        pointer: Pointer,
    },
    /// Status announces no list, and there is no pointer.
    None,
}

impl CapabilityPointer {
    /// Reads only what locates the standard capabilities: three registers. If the layout is unknown, so is the
    /// pointer's location: two registers, and `None`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::AllOnes`] if Command and Status read all-ones, [`RegisterError::Failed`] with the reader's own
    /// error.
    pub fn read<R: ConfigRead>(mut reader: R) -> Result<Option<Self>, RegisterError<R::Error>> {
        let (_, status) = halves(read_answer(&mut reader, COMMAND_STATUS)?);
        let [_, _, header_type, _] = read(&mut reader, HEADER_TYPE)?.to_le_bytes();
        let Some(at) = HeaderType::from_bits(header_type).layout().pointer_offset() else {
            return Ok(None);
        };
        let pointer = pointer(read(&mut reader, at)?);
        Ok(Some(Self::new(Status::from_bits(status), at, pointer)))
    }

    fn new(status: Status, at: Offset, pointer: Pointer) -> Self {
        match (status.capabilities_list(), pointer.raw()) {
            (true, _) => Self::Listed { at, pointer },
            (false, 0) => Self::None,
            (false, _) => Self::Unlisted { at, pointer },
        }
    }
}

/// The register of Command and Status.
const COMMAND_STATUS: Offset = Offset::at::<0x04>();
/// The register of Header Type.
const HEADER_TYPE: Offset = Offset::at::<0x0c>();
/// The register with the Capabilities Pointer in types 0 and 1.
const POINTER: Offset = Offset::at::<0x34>();
/// The register with the Capabilities Pointer in type 2.
const CARD_BUS_POINTER: Offset = Offset::at::<0x14>();

impl LayoutCode {
    const fn pointer_offset(self) -> Option<Offset> {
        match self {
            Self::Type0 | Self::Type1 => Some(POINTER),
            Self::CardBus => Some(CARD_BUS_POINTER),
            Self::Other(_) => None,
        }
    }
}

/// The Capabilities Pointer is the lowest byte of its register.
fn pointer(register: u32) -> Pointer {
    let [pointer, ..] = register.to_le_bytes();
    Pointer::new(u16::from(pointer))
}
