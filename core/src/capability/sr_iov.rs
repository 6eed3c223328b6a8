//! The Single Root I/O Virtualization capability (SR-IOV): a physical function and its virtual functions.
//!
//! | offset | register |
//! | --- | --- |
//! | 00 | header |
//! | 04 | SR-IOV Capabilities |
//! | 08 | bits 0–15: SR-IOV Control, 16–31: SR-IOV Status |
//! | 0c | bits 0–15: `InitialVFs`, 16–31: `TotalVFs` |
//! | 10 | bits 0–15: `NumVFs`, 16–23: Function Dependency Link |
//! | 14 | bits 0–15: First VF Offset, 16–31: VF Stride |
//! | 18 | bits 16–31: VF Device ID |
//! | 1c | Supported Page Sizes |
//! | 20 | System Page Size |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

const CAPABILITIES: Offset = Offset::at::<0x04>();
const CONTROL_STATUS: Offset = Offset::at::<0x08>();
const INITIAL_TOTAL: Offset = Offset::at::<0x0c>();
const NUMBER_DEPENDENCY: Offset = Offset::at::<0x10>();
const OFFSET_STRIDE: Offset = Offset::at::<0x14>();
const DEVICE_ID: Offset = Offset::at::<0x18>();
const SUPPORTED_PAGE_SIZES: Offset = Offset::at::<0x1c>();
const SYSTEM_PAGE_SIZE: Offset = Offset::at::<0x20>();

/// A physical function's Single Root I/O Virtualization capability.
///
/// Each method reads one register on every call.
#[derive(Clone, Debug)]
pub struct SrIov<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(SrIov, ExtendedId::SR_IOV);

impl<R: ConfigRead> SrIov<R> {
    /// SR-IOV Capabilities.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn capabilities(&mut self) -> Result<SrIovCapabilities, ViewError<R::Error>> {
        self.view.read_answer(CAPABILITIES).map(Into::into)
    }

    /// SR-IOV Control and SR-IOV Status.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn control_status(&mut self) -> Result<(SrIovControl, SrIovStatus), ViewError<R::Error>> {
        let (control, status) = halves(self.view.read_answer(CONTROL_STATUS)?);
        Ok((control.into(), status.into()))
    }

    /// `InitialVFs` and `TotalVFs`.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn limits(&mut self) -> Result<VfLimits, ViewError<R::Error>> {
        self.view.read_answer(INITIAL_TOTAL).map(Into::into)
    }

    /// `NumVFs` and Function Dependency Link.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn number(&mut self) -> Result<VfNumber, ViewError<R::Error>> {
        self.view.read_answer(NUMBER_DEPENDENCY).map(Into::into)
    }

    /// First VF Offset and VF Stride. Both may change with `NumVFs` and with ARI.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn routing(&mut self) -> Result<VfRouting, ViewError<R::Error>> {
        self.view.read_answer(OFFSET_STRIDE).map(Into::into)
    }

    /// VF Device ID. The vendor ID is that of the physical function.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn device_id(&mut self) -> Result<u16, ViewError<R::Error>> {
        Ok(halves(self.view.read_answer(DEVICE_ID)?).1)
    }

    /// Supported Page Sizes: bit n stands for 4096 << n bytes.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn supported_page_sizes(&mut self) -> Result<u32, ViewError<R::Error>> {
        self.view.read_answer(SUPPORTED_PAGE_SIZES)
    }

    /// System Page Size, as [`supported_page_sizes`](Self::supported_page_sizes) with one bit set.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn system_page_size(&mut self) -> Result<u32, ViewError<R::Error>> {
        self.view.read_answer(SYSTEM_PAGE_SIZE)
    }
}

/// SR-IOV Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | VF Migration Capable |
/// | 1 | ARI Capable Hierarchy Preserved |
/// | 2 | VF 10-Bit Tag Requester Supported |
/// | 21–31 | VF Migration Interrupt Message Number |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SrIovCapabilities {
    /// Supports the migration of virtual functions (MR-IOV).
    pub vf_migration_capable: bool,
    /// ARI Capable Hierarchy survives some resets.
    pub ari_capable_hierarchy_preserved: bool,
    /// Virtual functions can use 10-bit tags.
    pub vf_ten_bit_tag_requester_supported: bool,
    #[bits(18)]
    __: u32,
    /// The MSI or MSI-X vector of migration events.
    #[bits(11, access = RO)]
    pub vf_migration_interrupt_message_number: u16,
}

/// SR-IOV Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | VF Enable |
/// | 1 | VF Migration Enable |
/// | 2 | VF Migration Interrupt Enable |
/// | 3 | VF Memory Space Enable (MSE) |
/// | 4 | ARI Capable Hierarchy |
/// | 5 | VF 10-Bit Tag Requester Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SrIovControl {
    /// The virtual functions exist.
    pub vf_enable: bool,
    /// Virtual functions may migrate.
    pub vf_migration_enable: bool,
    /// Migration raises an interrupt.
    pub vf_migration_interrupt_enable: bool,
    /// Virtual functions decode their memory BARs.
    #[doc(alias = "MSE")]
    pub vf_memory_space_enable: bool,
    /// Virtual functions may use device numbers above 0, since the port above forwards ARI.
    pub ari_capable_hierarchy: bool,
    /// Virtual functions may use 10-bit tags.
    pub vf_ten_bit_tag_requester_enable: bool,
    #[bits(10)]
    __: u16,
}

/// SR-IOV Status.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | VF Migration Status |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SrIovStatus {
    /// A migration was requested.
    pub vf_migration_status: bool,
    #[bits(15)]
    __: u16,
}

/// `InitialVFs` and `TotalVFs`.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VfLimits {
    /// The initial number of virtual functions.
    pub initial_vfs: u16,
    /// The maximum number of virtual functions.
    pub total_vfs: u16,
}

/// `NumVFs` and Function Dependency Link.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VfNumber {
    /// The number of virtual functions that software requested. They exist while [`vf_enable`](SrIovControl::vf_enable)
    /// is set.
    pub num_vfs: u16,
    /// The function that this one depends on; its own number if there is none.
    pub function_dependency_link: u8,
    __: u8,
}

/// First VF Offset and VF Stride: the location of the virtual functions, in Routing IDs from the physical function.
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VfRouting {
    /// The distance from the physical function to the first virtual one.
    pub first_vf_offset: u16,
    /// The distance between two virtual functions.
    pub vf_stride: u16,
}
