//! The registers of the function itself.

use bitfield_struct::bitfield;

/// Device Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0–2 | Max_Payload_Size Supported |
/// | 3–4 | Phantom Functions Supported |
/// | 5 | Extended Tag Field Supported |
/// | 15 | Role-Based Error Reporting |
/// | 28 | Function Level Reset Capability |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceCapabilities {
    /// The largest payload that the function supports.
    #[bits(3)]
    pub max_payload_size_supported: PayloadSize,
    /// The number of function-number bits that can serve as extra tag bits.
    #[bits(2, access = RO)]
    pub phantom_functions_supported: u8,
    /// Supports 8-bit tags.
    pub extended_tag_field_supported: bool,
    #[bits(9)]
    __: u16,
    /// Reports some errors by the function's role in the transaction instead of by their kind.
    pub role_based_error_reporting: bool,
    #[bits(12)]
    __: u16,
    /// Supports FLR.
    pub function_level_reset_capability: bool,
    #[bits(3)]
    __: u8,
}

/// Device Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Correctable Error Reporting Enable |
/// | 1 | Non-Fatal Error Reporting Enable |
/// | 2 | Fatal Error Reporting Enable |
/// | 3 | Unsupported Request Reporting Enable |
/// | 4 | Enable Relaxed Ordering |
/// | 5–7 | Max_Payload_Size |
/// | 8 | Extended Tag Field Enable |
/// | 9 | Phantom Functions Enable |
/// | 10 | Aux Power PM Enable |
/// | 11 | Enable No Snoop |
/// | 12–14 | Max_Read_Request_Size |
/// | 15 | Initiate Function Level Reset |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceControl {
    /// Correctable errors are reported.
    pub correctable_error_reporting_enable: bool,
    /// Non-fatal errors are reported.
    pub non_fatal_error_reporting_enable: bool,
    /// Fatal errors are reported.
    pub fatal_error_reporting_enable: bool,
    /// Unsupported requests are reported.
    pub unsupported_request_reporting_enable: bool,
    /// May set the relaxed ordering attribute in requests.
    pub enable_relaxed_ordering: bool,
    /// The largest payload that the function may send and must accept.
    #[bits(3)]
    pub max_payload_size: PayloadSize,
    /// May use 8-bit tags.
    pub extended_tag_field_enable: bool,
    /// May use the numbers of unimplemented functions as extra tags.
    pub phantom_functions_enable: bool,
    /// May draw auxiliary power even if PME is disabled.
    pub aux_power_pm_enable: bool,
    /// May set the no-snoop attribute in requests.
    pub enable_no_snoop: bool,
    /// The largest read that the function may request.
    #[bits(3)]
    pub max_read_request_size: PayloadSize,
    /// Writing 1 starts an FLR if the function supports it; reads 0. In a bridge to PCI the bit is Bridge Configuration
    /// Retry Enable.
    pub initiate_function_level_reset: bool,
}

/// Device Status. Bits 0 to 3 are cleared by writing 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Correctable Error Detected |
/// | 1 | Non-Fatal Error Detected |
/// | 2 | Fatal Error Detected |
/// | 3 | Unsupported Request Detected |
/// | 4 | AUX Power Detected |
/// | 5 | Transactions Pending |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceStatus {
    /// Detected a correctable error, reported or not.
    pub correctable_error_detected: bool,
    /// Detected a non-fatal error, reported or not.
    pub non_fatal_error_detected: bool,
    /// Detected a fatal error, reported or not.
    pub fatal_error_detected: bool,
    /// Detected an unsupported request, reported or not.
    pub unsupported_request_detected: bool,
    /// Auxiliary power is present.
    pub aux_power_detected: bool,
    /// Requests that the function issued have not completed.
    pub transactions_pending: bool,
    #[bits(10)]
    __: u16,
}

/// Device Capabilities 2.
///
/// | bits | field |
/// | --- | --- |
/// | 0–3 | Completion Timeout Ranges Supported |
/// | 4 | Completion Timeout Disable Supported |
/// | 5 | ARI Forwarding Supported |
/// | 6 | AtomicOp Routing Supported |
/// | 7 | 32-bit AtomicOp Completer Supported |
/// | 8 | 64-bit AtomicOp Completer Supported |
/// | 9 | 128-bit CAS Completer Supported |
/// | 10 | No RO-enabled PR-PR Passing |
/// | 11 | LTR Mechanism Supported |
/// | 12–13 | TPH Completer Supported |
/// | 14–15 | LN System CLS (before 6.0) |
/// | 16 | 10-Bit Tag Completer Supported |
/// | 17 | 10-Bit Tag Requester Supported |
/// | 18–19 | OBFF Supported |
/// | 20 | Extended Fmt Field Supported |
/// | 21 | End-End TLP Prefix Supported |
/// | 22–23 | Max End-End TLP Prefixes |
/// | 24–25 | Emergency Power Reduction Supported |
/// | 26 | Emergency Power Reduction Initialization Required |
/// | 28 | DMWr Completer Supported |
/// | 29–30 | DMWr Lengths Supported |
/// | 31 | FRS Supported |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceCapabilities2 {
    /// The programmable timeout ranges A to D, one bit each: 50 µs to 10 ms, to 250 ms, to 4 s, to 64 s. 0 if the
    /// timeout is not programmable.
    #[bits(4, access = RO)]
    pub completion_timeout_ranges_supported: u8,
    /// Can disable the completion timeout.
    pub completion_timeout_disable_supported: bool,
    /// Can forward requests to ARI functions. Ports only.
    pub ari_forwarding_supported: bool,
    /// Can route atomic operations. Ports only.
    pub atomic_op_routing_supported: bool,
    /// Can complete 32-bit atomic operations.
    pub atomic_op_32_bit_completer_supported: bool,
    /// Can complete 64-bit atomic operations.
    pub atomic_op_64_bit_completer_supported: bool,
    /// Can complete a 128-bit compare-and-swap.
    pub cas_128_bit_completer_supported: bool,
    /// Never lets a relaxed-order write pass another. Routing ports only.
    pub no_ro_enabled_pr_pr_passing: bool,
    /// Can report the latency that it tolerates (LTR).
    #[doc(alias = "Latency Tolerance Reporting")]
    pub ltr_mechanism_supported: bool,
    /// Completes requests with processing hints (TPH). 1: TPH; 3: also extended TPH; 2 is reserved.
    #[bits(2, access = RO)]
    pub tph_completer_supported: u8,
    /// The cache line size of Lightweight Notification. 1: 64 bytes; 2: 128 bytes. Reserved since 6.0.
    #[bits(2, access = RO)]
    pub ln_system_cls: u8,
    /// Can complete requests with 10-bit tags.
    pub ten_bit_tag_completer_supported: bool,
    /// Can use 10-bit tags.
    pub ten_bit_tag_requester_supported: bool,
    /// Supports OBFF. 1: by message; 2: by WAKE#; 3: by both.
    #[bits(2, access = RO)]
    pub obff_supported: u8,
    /// Supports a 3-bit Fmt field.
    pub extended_fmt_field_supported: bool,
    /// Supports end-end prefixes.
    pub end_end_tlp_prefix_supported: bool,
    /// The maximum number of end-end prefixes in a request; 0 means 4.
    #[bits(2, access = RO)]
    pub max_end_end_tlp_prefixes: u8,
    /// Can reduce its power in an emergency. 1: by a device-specific mechanism; 2: by that of its form factor; 3 is
    /// reserved.
    #[bits(2, access = RO)]
    pub emergency_power_reduction_supported: u8,
    /// Needs initialization after an emergency power reduction.
    pub emergency_power_reduction_initialization_required: bool,
    __: bool,
    /// Can complete deferrable writes.
    pub dmwr_completer_supported: bool,
    /// The longest deferrable write that it can complete. 0: 64 bytes; 1: 128 bytes; others are reserved.
    #[bits(2, access = RO)]
    pub dmwr_lengths_supported: u8,
    /// Can send a message when it is ready (FRS).
    #[doc(alias = "Function Readiness Status")]
    pub frs_supported: bool,
}

/// Device Control 2.
///
/// | bits | field |
/// | --- | --- |
/// | 4 | Completion Timeout Disable |
/// | 5 | ARI Forwarding Enable |
/// | 10 | LTR Mechanism Enable |
/// | 12 | 10-Bit Tag Requester Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceControl2 {
    #[bits(4)]
    __: u8,
    /// The completion timeout is disabled.
    pub completion_timeout_disable: bool,
    /// Forwards requests to ARI functions.
    pub ari_forwarding_enable: bool,
    #[bits(4)]
    __: u8,
    /// May report the latency that it tolerates (LTR).
    pub ltr_mechanism_enable: bool,
    __: bool,
    /// May use 10-bit tags.
    pub ten_bit_tag_requester_enable: bool,
    #[bits(3)]
    __: u8,
}

/// A payload or read request size as Device Capabilities and Device Control encode it, in three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PayloadSize {
    /// 0: 128 bytes.
    Bytes128,
    /// 1: 256 bytes.
    Bytes256,
    /// 2: 512 bytes.
    Bytes512,
    /// 3: 1024 bytes.
    Bytes1024,
    /// 4: 2048 bytes.
    Bytes2048,
    /// 5: 4096 bytes.
    Bytes4096,
    /// 6 or 7: reserved.
    Other(u8),
}

impl PayloadSize {
    /// The size in bytes; `None` for a reserved code.
    pub const fn bytes(self) -> Option<u16> {
        match self {
            Self::Bytes128 => Some(128),
            Self::Bytes256 => Some(256),
            Self::Bytes512 => Some(512),
            Self::Bytes1024 => Some(1024),
            Self::Bytes2048 => Some(2048),
            Self::Bytes4096 => Some(4096),
            Self::Other(_) => None,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Bytes128,
            1 => Self::Bytes256,
            2 => Self::Bytes512,
            3 => Self::Bytes1024,
            4 => Self::Bytes2048,
            5 => Self::Bytes4096,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Bytes128 => 0,
            Self::Bytes256 => 1,
            Self::Bytes512 => 2,
            Self::Bytes1024 => 3,
            Self::Bytes2048 => 4,
            Self::Bytes4096 => 5,
            Self::Other(bits) => bits & 0x7,
        }
    }
}
