//! The Advanced Error Reporting capability (AER).
//!
//! | offset | register | present in |
//! | --- | --- | --- |
//! | 00 | header | all |
//! | 04 | Uncorrectable Error Status | all |
//! | 08 | Uncorrectable Error Mask | all |
//! | 0c | Uncorrectable Error Severity | all |
//! | 10 | Correctable Error Status | all |
//! | 14 | Correctable Error Mask | all |
//! | 18 | Advanced Error Capabilities and Control | all |
//! | 1c–28 | Header Log | all |
//! | 2c | Root Error Command | Root Ports, Root Complex Event Collectors |
//! | 30 | Root Error Status | Root Ports, Root Complex Event Collectors |
//! | 34 | Error Source Identification | Root Ports, Root Complex Event Collectors |
//!
//! The port type comes from the PCI Express capability, so it is an argument here. The bits of both status registers
//! and of Root Error Status are cleared by writing 1, and only a fundamental reset clears them otherwise.

use bitfield_struct::bitfield;

use super::express::PortType;
use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset};

const UNCORRECTABLE_STATUS: Offset = Offset::at::<0x04>();
const UNCORRECTABLE_MASK: Offset = Offset::at::<0x08>();
const UNCORRECTABLE_SEVERITY: Offset = Offset::at::<0x0c>();
const CORRECTABLE_STATUS: Offset = Offset::at::<0x10>();
const CORRECTABLE_MASK: Offset = Offset::at::<0x14>();
const CAPABILITIES_CONTROL: Offset = Offset::at::<0x18>();
const HEADER_LOG: [Offset; 4] = [
    Offset::at::<0x1c>(),
    Offset::at::<0x20>(),
    Offset::at::<0x24>(),
    Offset::at::<0x28>(),
];
const ROOT_COMMAND: Offset = Offset::at::<0x2c>();
const ROOT_STATUS: Offset = Offset::at::<0x30>();
const ERROR_SOURCE: Offset = Offset::at::<0x34>();

/// A function's Advanced Error Reporting capability.
///
/// Each method reads its registers on every call.
#[derive(Clone, Debug)]
pub struct Aer<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(Aer, ExtendedId::AER);

impl<R: ConfigRead> Aer<R> {
    /// Uncorrectable Error Status: the detected errors.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn uncorrectable_status(&mut self) -> Result<UncorrectableErrors, ViewError<R::Error>> {
        self.view.read_answer(UNCORRECTABLE_STATUS).map(Into::into)
    }

    /// Uncorrectable Error Mask: the errors that are not reported.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn uncorrectable_mask(&mut self) -> Result<UncorrectableErrors, ViewError<R::Error>> {
        self.view.read_answer(UNCORRECTABLE_MASK).map(Into::into)
    }

    /// Uncorrectable Error Severity: the errors reported as fatal; all others are non-fatal.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn uncorrectable_severity(&mut self) -> Result<UncorrectableErrors, ViewError<R::Error>> {
        self.view.read_answer(UNCORRECTABLE_SEVERITY).map(Into::into)
    }

    /// Correctable Error Status: the detected errors.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn correctable_status(&mut self) -> Result<CorrectableErrors, ViewError<R::Error>> {
        self.view.read_answer(CORRECTABLE_STATUS).map(Into::into)
    }

    /// Correctable Error Mask: the errors that are not reported.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn correctable_mask(&mut self) -> Result<CorrectableErrors, ViewError<R::Error>> {
        self.view.read_answer(CORRECTABLE_MASK).map(Into::into)
    }

    /// Advanced Error Capabilities and Control.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn capabilities_control(&mut self) -> Result<AerCapabilitiesControl, ViewError<R::Error>> {
        self.view.read_answer(CAPABILITIES_CONTROL).map(Into::into)
    }

    /// The header of the packet with the first error; meaningless if no error is recorded. Four reads of registers that
    /// may hold any value.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn header_log(&mut self) -> Result<[u32; 4], ViewError<R::Error>> {
        let [first, second, third, fourth] = HEADER_LOG;
        Ok([
            self.view.read(first)?,
            self.view.read(second)?,
            self.view.read(third)?,
            self.view.read(fourth)?,
        ])
    }

    /// Root Error Command; `None` for a port that is neither a Root Port nor a Root Complex Event Collector.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn root_command(&mut self, port: PortType) -> Result<Option<RootErrorCommand>, ViewError<R::Error>> {
        if !port.has_root_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(ROOT_COMMAND)?.into()))
    }

    /// Root Error Status; `None` as for [`root_command`](Self::root_command).
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn root_status(&mut self, port: PortType) -> Result<Option<RootErrorStatus>, ViewError<R::Error>> {
        if !port.has_root_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read_answer(ROOT_STATUS)?.into()))
    }

    /// Error Source Identification; `None` as for [`root_command`](Self::root_command). All-ones is a valid value: the
    /// last function of bus ff, twice.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn error_source(&mut self, port: PortType) -> Result<Option<ErrorSource>, ViewError<R::Error>> {
        if !port.has_root_registers() {
            return Ok(None);
        }
        Ok(Some(self.view.read(ERROR_SOURCE)?.into()))
    }
}

/// One bit for each uncorrectable error: the layout of status, mask and severity.
///
/// | bits | error |
/// | --- | --- |
/// | 4 | Data Link Protocol Error |
/// | 5 | Surprise Down Error |
/// | 12 | Poisoned TLP Received |
/// | 13 | Flow Control Protocol Error |
/// | 14 | Completion Timeout |
/// | 15 | Completer Abort |
/// | 16 | Unexpected Completion |
/// | 17 | Receiver Overflow |
/// | 18 | Malformed TLP |
/// | 19 | ECRC Error |
/// | 20 | Unsupported Request Error |
/// | 21 | ACS Violation |
/// | 22 | Uncorrectable Internal Error |
/// | 23 | MC Blocked TLP |
/// | 24 | AtomicOp Egress Blocked |
/// | 25 | TLP Prefix Blocked Error |
/// | 26 | Poisoned TLP Egress Blocked |
/// | 27 | DMWr Request Egress Blocked |
/// | 28 | IDE Check Failed |
/// | 29 | Misrouted IDE TLP |
/// | 30 | PCRC Check Failed |
/// | 31 | TLP Translation Egress Blocked |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UncorrectableErrors {
    #[bits(4)]
    __: u8,
    /// The two ends of the link disagree about sequence numbers.
    pub data_link_protocol_error: bool,
    /// The link went down without notice.
    pub surprise_down_error: bool,
    #[bits(6)]
    __: u8,
    /// Received data marked as bad.
    pub poisoned_tlp_received: bool,
    /// The other end of the link violated flow control.
    pub flow_control_protocol_error: bool,
    /// A request did not complete in time.
    pub completion_timeout: bool,
    /// Rejected a request that violates its programming model.
    pub completer_abort: bool,
    /// Received a completion that matches no request.
    pub unexpected_completion: bool,
    /// Received more than it had granted credits for.
    pub receiver_overflow: bool,
    /// Received a malformed packet.
    pub malformed_tlp: bool,
    /// The end-to-end check of a packet failed.
    pub ecrc_error: bool,
    /// Received a request that it does not support.
    pub unsupported_request_error: bool,
    /// Access Control Services blocked a request.
    pub acs_violation: bool,
    /// An internal error of the function.
    pub uncorrectable_internal_error: bool,
    /// A multicast packet was blocked.
    pub mc_blocked_tlp: bool,
    /// An atomic operation was blocked on its way out.
    pub atomic_op_egress_blocked: bool,
    /// A packet was blocked because of its prefix.
    pub tlp_prefix_blocked_error: bool,
    /// Data marked as bad was blocked on its way out.
    pub poisoned_tlp_egress_blocked: bool,
    /// A deferrable write was blocked on its way out.
    pub dmwr_request_egress_blocked: bool,
    /// The integrity check of an encrypted packet failed.
    pub ide_check_failed: bool,
    /// An encrypted packet arrived at the wrong place.
    pub misrouted_ide_tlp: bool,
    /// The check of a packet's plain text (PCRC) failed.
    pub pcrc_check_failed: bool,
    /// A request with a translated address was blocked on its way out.
    pub tlp_translation_egress_blocked: bool,
}

/// One bit for each correctable error: the layout of status and mask.
///
/// | bits | error |
/// | --- | --- |
/// | 0 | Receiver Error |
/// | 6 | Bad TLP |
/// | 7 | Bad DLLP |
/// | 8 | `REPLAY_NUM` Rollover |
/// | 12 | Replay Timer Timeout |
/// | 13 | Advisory Non-Fatal Error |
/// | 14 | Corrected Internal Error |
/// | 15 | Header Log Overflow |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CorrectableErrors {
    /// Could not decode a symbol.
    pub receiver_error: bool,
    #[bits(5)]
    __: u8,
    /// The link's check of a transaction layer packet failed.
    pub bad_tlp: bool,
    /// The link's check of a data link layer packet failed.
    pub bad_dllp: bool,
    /// A packet was sent four times without an acknowledgement.
    pub replay_num_rollover: bool,
    #[bits(3)]
    __: u8,
    /// A packet was not acknowledged in time.
    pub replay_timer_timeout: bool,
    /// A non-fatal error that another function reports.
    pub advisory_non_fatal_error: bool,
    /// An internal error that the function corrected.
    pub corrected_internal_error: bool,
    /// The log had no room for another packet header.
    pub header_log_overflow: bool,
    #[bits(16)]
    __: u16,
}

/// Advanced Error Capabilities and Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0–4 | First Error Pointer |
/// | 5 | ECRC Generation Capable |
/// | 6 | ECRC Generation Enable |
/// | 7 | ECRC Check Capable |
/// | 8 | ECRC Check Enable |
/// | 9 | Multiple Header Recording Capable |
/// | 10 | Multiple Header Recording Enable |
/// | 11 | TLP Prefix Log Present |
/// | 12 | Completion Timeout Prefix/Header Log Capable |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AerCapabilitiesControl {
    /// The bit in Uncorrectable Error Status of the first error; valid only while that bit is set.
    #[bits(5, access = RO)]
    pub first_error_pointer: u8,
    /// Can add ECRC to packets.
    pub ecrc_generation_capable: bool,
    /// Adds ECRC to packets.
    pub ecrc_generation_enable: bool,
    /// Can check ECRC.
    pub ecrc_check_capable: bool,
    /// Checks ECRC.
    pub ecrc_check_enable: bool,
    /// Can log the packet headers of several errors.
    pub multiple_header_recording_capable: bool,
    /// Logs the packet headers of several errors.
    pub multiple_header_recording_enable: bool,
    /// The log contains the prefix of the first error's packet.
    pub tlp_prefix_log_present: bool,
    /// Logs the packet headers of requests that time out.
    pub completion_timeout_prefix_header_log_capable: bool,
    #[bits(19)]
    __: u32,
}

/// Root Error Command: the error messages from below that raise an interrupt.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Correctable Error Reporting Enable |
/// | 1 | Non-Fatal Error Reporting Enable |
/// | 2 | Fatal Error Reporting Enable |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootErrorCommand {
    /// Correctable errors raise an interrupt.
    pub correctable_error_reporting_enable: bool,
    /// Non-fatal errors raise an interrupt.
    pub non_fatal_error_reporting_enable: bool,
    /// Fatal errors raise an interrupt.
    pub fatal_error_reporting_enable: bool,
    #[bits(29)]
    __: u32,
}

/// Root Error Status: the error messages received from below.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | `ERR_COR` Received |
/// | 1 | Multiple `ERR_COR` Received |
/// | 2 | `ERR_FATAL`/`ERR_NONFATAL` Received |
/// | 3 | Multiple `ERR_FATAL`/`ERR_NONFATAL` Received |
/// | 4 | First Uncorrectable Fatal |
/// | 5 | Non-Fatal Error Messages Received |
/// | 6 | Fatal Error Messages Received |
/// | 27–31 | Advanced Error Interrupt Message Number |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootErrorStatus {
    /// Received a correctable error.
    pub err_cor_received: bool,
    /// Received more than one correctable error.
    pub multiple_err_cor_received: bool,
    /// Received a non-fatal or fatal error.
    pub err_fatal_nonfatal_received: bool,
    /// Received more than one non-fatal or fatal error.
    pub multiple_err_fatal_nonfatal_received: bool,
    /// The first uncorrectable error was fatal.
    pub first_uncorrectable_fatal: bool,
    /// Received at least one non-fatal error.
    pub non_fatal_error_messages_received: bool,
    /// Received at least one fatal error.
    pub fatal_error_messages_received: bool,
    #[bits(20)]
    __: u32,
    /// The MSI or MSI-X vector for error messages.
    #[bits(5, access = RO)]
    pub advanced_error_interrupt_message_number: u8,
}

/// Error Source Identification: the Requester IDs (bus, device, function) of the senders of the first messages.
///
/// | bits | field |
/// | --- | --- |
/// | 0–15 | `ERR_COR` Source Identification |
/// | 16–31 | `ERR_FATAL`/`ERR_NONFATAL` Source Identification |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ErrorSource {
    /// The sender of the first correctable error.
    pub err_cor_source_identification: u16,
    /// The sender of the first non-fatal or fatal error.
    pub err_fatal_nonfatal_source_identification: u16,
}
