//! The PCI Express capability.
//!
//! | offset | register | present in |
//! | --- | --- | --- |
//! | 00 | header; bits 16–31: PCI Express Capabilities | all |
//! | 04 | Device Capabilities | all |
//! | 08 | Device Control, Device Status | all |
//! | 0c | Link Capabilities | functions with a link |
//! | 10 | Link Control, Link Status | functions with a link |
//! | 14 | Slot Capabilities | ports with a slot below |
//! | 18 | Slot Control, Slot Status | ports with a slot below |
//! | 1c | Root Control, Root Capabilities | Root Ports, Root Complex Event Collectors |
//! | 20 | Root Status | Root Ports, Root Complex Event Collectors |
//! | 24 | Device Capabilities 2 | all, from version 2 on |
//! | 28 | Device Control 2 | all, from version 2 on |
//! | 2c | Link Capabilities 2 | functions with a link, from version 2 on |
//! | 30 | Link Control 2, Link Status 2 | functions with a link, from version 2 on |
//!
//! In version 1 the structure ends at the last register that the function has, and another structure may follow. A
//! register that this table does not list for a function is therefore never read, in any version, and its method
//! returns `None`.

mod device;
mod link;
mod link2;
// `presence` has the public path of this field's type.
pub(crate) mod root;
mod slot;

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{StandardId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

pub use self::device::{
    DeviceCapabilities, DeviceCapabilities2, DeviceControl, DeviceControl2, DeviceStatus, PayloadSize,
};
pub use self::link::{AspmStates, LinkCapabilities, LinkControl, LinkSpeed, LinkStatus};
pub use self::link2::{
    CrosslinkResolution, DownstreamComponentPresence, LinkCapabilities2, LinkControl2, LinkSpeeds, LinkStatus2,
};
pub use self::root::{RootCapabilities, RootControl, RootStatus};
pub use self::slot::{Indicator, PowerControllerControl, SlotCapabilities, SlotControl, SlotStatus};

const DEVICE_CAPABILITIES: Offset = Offset::at::<0x04>();
const DEVICE_CONTROL_STATUS: Offset = Offset::at::<0x08>();
const LINK_CAPABILITIES: Offset = Offset::at::<0x0c>();
const LINK_CONTROL_STATUS: Offset = Offset::at::<0x10>();
const SLOT_CAPABILITIES: Offset = Offset::at::<0x14>();
const SLOT_CONTROL_STATUS: Offset = Offset::at::<0x18>();
const ROOT_CONTROL_CAPABILITIES: Offset = Offset::at::<0x1c>();
const ROOT_STATUS: Offset = Offset::at::<0x20>();
const DEVICE_CAPABILITIES_2: Offset = Offset::at::<0x24>();
const DEVICE_CONTROL_2: Offset = Offset::at::<0x28>();
const LINK_CAPABILITIES_2: Offset = Offset::at::<0x2c>();
const LINK_CONTROL_STATUS_2: Offset = Offset::at::<0x30>();

/// A function's PCI Express capability.
///
/// Each method reads one register on every call. All-ones is an error, since none of these registers can hold it.
#[derive(Clone, Debug)]
pub struct Express<R> {
    view: View<R, StandardId>,
}

taken_from_list!(Express, StandardId::EXPRESS);

impl<R: ConfigRead> Express<R> {
    /// PCI Express Capabilities. The walk read it with the header. No read.
    pub fn capabilities(&self) -> ExpressCapabilities {
        ExpressCapabilities::from_bits(self.view.capability().own_bits())
    }

    /// Device Capabilities.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn device_capabilities(&mut self) -> Result<DeviceCapabilities, ViewError<R::Error>> {
        self.view
            .read_answer(DEVICE_CAPABILITIES)
            .map(DeviceCapabilities::from_bits)
    }

    /// Device Control and Device Status.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn device(&mut self) -> Result<(DeviceControl, DeviceStatus), ViewError<R::Error>> {
        let (control, status) = halves(self.view.read_answer(DEVICE_CONTROL_STATUS)?);
        Ok((DeviceControl::from_bits(control), DeviceStatus::from_bits(status)))
    }

    /// Link Capabilities; `None` for a function without a link or of an unknown type.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn link_capabilities(&mut self) -> Result<Option<LinkCapabilities>, ViewError<R::Error>> {
        if !self.capabilities().device_port_type().has_link() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(LINK_CAPABILITIES)?.into()))
    }

    /// Link Control and Link Status; `None` as for [`link_capabilities`](Self::link_capabilities).
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn link(&mut self) -> Result<Option<(LinkControl, LinkStatus)>, ViewError<R::Error>> {
        if !self.capabilities().device_port_type().has_link() {
            return Ok(None);
        }
        let (control, status) = halves(self.view.read_answer(LINK_CONTROL_STATUS)?);
        Ok(Some((control.into(), status.into())))
    }

    /// Slot Capabilities; `None` if the port has no slot below.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn slot_capabilities(&mut self) -> Result<Option<SlotCapabilities>, ViewError<R::Error>> {
        if !self.capabilities().has_slot() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(SLOT_CAPABILITIES)?.into()))
    }

    /// Slot Control and Slot Status; `None` if the port has no slot below.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn slot(&mut self) -> Result<Option<(SlotControl, SlotStatus)>, ViewError<R::Error>> {
        if !self.capabilities().has_slot() {
            return Ok(None);
        }
        let (control, status) = halves(self.view.read_answer(SLOT_CONTROL_STATUS)?);
        Ok(Some((control.into(), status.into())))
    }

    /// Root Control and Root Capabilities; `None` for anything but a Root Port or Root Complex Event Collector.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn root(&mut self) -> Result<Option<(RootControl, RootCapabilities)>, ViewError<R::Error>> {
        if !self.capabilities().device_port_type().has_root_registers() {
            return Ok(None);
        }
        let (control, capabilities) = halves(self.view.read_answer(ROOT_CONTROL_CAPABILITIES)?);
        Ok(Some((control.into(), capabilities.into())))
    }

    /// Root Status; `None` as for [`root`](Self::root).
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn root_status(&mut self) -> Result<Option<RootStatus>, ViewError<R::Error>> {
        if !self.capabilities().device_port_type().has_root_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(ROOT_STATUS)?.into()))
    }

    /// Device Capabilities 2; `None` before version 2.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn device_capabilities_2(&mut self) -> Result<Option<DeviceCapabilities2>, ViewError<R::Error>> {
        if !self.capabilities().has_second_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(DEVICE_CAPABILITIES_2)?.into()))
    }

    /// Device Control 2; `None` before version 2.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn device_control_2(&mut self) -> Result<Option<DeviceControl2>, ViewError<R::Error>> {
        if !self.capabilities().has_second_registers() {
            return Ok(None);
        }
        let (control, _) = halves(self.view.read_answer(DEVICE_CONTROL_2)?);
        Ok(Some(control.into()))
    }

    /// Link Capabilities 2; `None` before version 2 and for a function without a link. Before 3.0 the register was
    /// reserved and reads zero; use [`LinkCapabilities::max_link_speed`] then.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn link_capabilities_2(&mut self) -> Result<Option<LinkCapabilities2>, ViewError<R::Error>> {
        if !self.capabilities().has_second_link_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(LINK_CAPABILITIES_2)?.into()))
    }

    /// Link Control 2 and Link Status 2; `None` before version 2 and for a function without a link.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn link_2(&mut self) -> Result<Option<(LinkControl2, LinkStatus2)>, ViewError<R::Error>> {
        if !self.capabilities().has_second_link_registers() {
            return Ok(None);
        }
        let (control, status) = halves(self.view.read_answer(LINK_CONTROL_STATUS_2)?);
        Ok(Some((control.into(), status.into())))
    }
}

/// PCI Express Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0–3 | Capability Version |
/// | 4–7 | Device/Port Type |
/// | 8 | Slot Implemented |
/// | 9–13 | Interrupt Message Number |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExpressCapabilities {
    /// The version of the capability's structure, not of the specification: 1, or 2 since PCI Express 2.0.
    #[bits(4, access = RO)]
    pub capability_version: u8,
    /// The type of the function in the PCI Express hierarchy.
    #[bits(4)]
    pub device_port_type: PortType,
    /// The port's link leads to a slot. Meaningful only for a port; see [`has_slot`](Self::has_slot).
    pub slot_implemented: bool,
    /// The MSI or MSI-X vector of the capability's events.
    #[bits(5, access = RO)]
    pub interrupt_message_number: u8,
    #[bits(2)]
    __: u8,
}

impl ExpressCapabilities {
    /// Returns true if the slot registers are meaningful.
    pub const fn has_slot(self) -> bool {
        self.slot_implemented()
            && matches!(
                self.device_port_type(),
                PortType::RootPort | PortType::SwitchDownstreamPort | PortType::PciToExpressBridge
            )
    }

    const fn has_second_registers(self) -> bool {
        self.capability_version() >= 2
    }

    const fn has_second_link_registers(self) -> bool {
        self.has_second_registers() && self.device_port_type().has_link()
    }
}

/// Device/Port Type: the type of a function in the PCI Express hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PortType {
    /// 0: an endpoint.
    Endpoint,
    /// 1: an endpoint that may use PCI features that PCI Express dropped, such as I/O ports.
    LegacyEndpoint,
    /// 4: a root port.
    RootPort,
    /// 5: the upstream port of a switch.
    SwitchUpstreamPort,
    /// 6: a downstream port of a switch.
    SwitchDownstreamPort,
    /// 7: a bridge to PCI or PCI-X below.
    ExpressToPciBridge,
    /// 8: a bridge to PCI Express below.
    PciToExpressBridge,
    /// 9: an endpoint within the root complex, without a link.
    RootComplexIntegratedEndpoint,
    /// 10: collects the errors of endpoints within the root complex.
    RootComplexEventCollector,
    /// Any other code.
    Other(u8),
}

impl PortType {
    /// Returns true if the function has a link, and so link registers. False for an unknown type.
    pub const fn has_link(self) -> bool {
        match self {
            Self::Endpoint
            | Self::LegacyEndpoint
            | Self::RootPort
            | Self::SwitchUpstreamPort
            | Self::SwitchDownstreamPort
            | Self::ExpressToPciBridge
            | Self::PciToExpressBridge => true,
            Self::RootComplexIntegratedEndpoint | Self::RootComplexEventCollector | Self::Other(_) => false,
        }
    }

    /// Returns true if the function receives error messages and PME from below, and so has root registers here and in
    /// AER.
    pub const fn has_root_registers(self) -> bool {
        matches!(self, Self::RootPort | Self::RootComplexEventCollector)
    }

    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Endpoint,
            1 => Self::LegacyEndpoint,
            4 => Self::RootPort,
            5 => Self::SwitchUpstreamPort,
            6 => Self::SwitchDownstreamPort,
            7 => Self::ExpressToPciBridge,
            8 => Self::PciToExpressBridge,
            9 => Self::RootComplexIntegratedEndpoint,
            10 => Self::RootComplexEventCollector,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Endpoint => 0,
            Self::LegacyEndpoint => 1,
            Self::RootPort => 4,
            Self::SwitchUpstreamPort => 5,
            Self::SwitchDownstreamPort => 6,
            Self::ExpressToPciBridge => 7,
            Self::PciToExpressBridge => 8,
            Self::RootComplexIntegratedEndpoint => 9,
            Self::RootComplexEventCollector => 10,
            Self::Other(bits) => bits & 0xf,
        }
    }
}
