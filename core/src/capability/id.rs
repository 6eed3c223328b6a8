//! Capability IDs and their names.

use core::fmt;

/// Defines the IDs of one list and their names: those of the specification, without "Extended Capability".
macro_rules! ids {
    ($type:ident { $($constant:ident = $number:literal, $name:literal;)* }) => {
        impl $type {
            $(
                #[doc = concat!($name, ".")]
                pub const $constant: Self = Self($number);
            )*

            /// The name of the capability; `None` if the ID is unknown.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

/// The ID of a standard capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StandardId(pub u8);

ids!(StandardId {
    NULL = 0x00, "Null";
    POWER_MANAGEMENT = 0x01, "PCI Power Management";
    AGP = 0x02, "AGP";
    VITAL_PRODUCT_DATA = 0x03, "Vital Product Data";
    SLOT_IDENTIFICATION = 0x04, "Slot Identification";
    MSI = 0x05, "MSI";
    COMPACT_PCI_HOT_SWAP = 0x06, "CompactPCI Hot Swap";
    PCI_X = 0x07, "PCI-X";
    HYPER_TRANSPORT = 0x08, "HyperTransport";
    VENDOR_SPECIFIC = 0x09, "Vendor-Specific";
    DEBUG_PORT = 0x0a, "Debug Port";
    COMPACT_PCI_RESOURCE_CONTROL = 0x0b, "CompactPCI Central Resource Control";
    HOT_PLUG = 0x0c, "PCI Hot-Plug";
    SUBSYSTEM = 0x0d, "PCI Bridge Subsystem Vendor ID";
    AGP_8X = 0x0e, "AGP 8x";
    SECURE_DEVICE = 0x0f, "Secure Device";
    EXPRESS = 0x10, "PCI Express";
    MSI_X = 0x11, "MSI-X";
    SERIAL_ATA = 0x12, "Serial ATA Data/Index Configuration";
    ADVANCED_FEATURES = 0x13, "Advanced Features";
    ENHANCED_ALLOCATION = 0x14, "Enhanced Allocation";
    FLATTENING_PORTAL_BRIDGE = 0x15, "Flattening Portal Bridge";
});

impl fmt::Display for StandardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

/// The ID of an extended capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExtendedId(pub u16);

ids!(ExtendedId {
    NULL = 0x0000, "Null";
    AER = 0x0001, "Advanced Error Reporting";
    VIRTUAL_CHANNEL = 0x0002, "Virtual Channel";
    DEVICE_SERIAL_NUMBER = 0x0003, "Device Serial Number";
    POWER_BUDGETING = 0x0004, "Power Budgeting";
    ROOT_COMPLEX_LINK_DECLARATION = 0x0005, "Root Complex Link Declaration";
    ROOT_COMPLEX_INTERNAL_LINK_CONTROL = 0x0006, "Root Complex Internal Link Control";
    ROOT_COMPLEX_EVENT_COLLECTOR = 0x0007, "Root Complex Event Collector Endpoint Association";
    MULTI_FUNCTION_VIRTUAL_CHANNEL = 0x0008, "Multi-Function Virtual Channel";
    VIRTUAL_CHANNEL_WITH_MFVC = 0x0009, "Virtual Channel with MFVC";
    RCRB_HEADER = 0x000a, "RCRB Header";
    VENDOR_SPECIFIC = 0x000b, "Vendor-Specific";
    CONFIGURATION_ACCESS_CORRELATION = 0x000c, "Configuration Access Correlation";
    ACS = 0x000d, "Access Control Services";
    ARI = 0x000e, "Alternative Routing-ID Interpretation";
    ATS = 0x000f, "Address Translation Services";
    SR_IOV = 0x0010, "Single Root I/O Virtualization";
    MR_IOV = 0x0011, "Multi-Root I/O Virtualization";
    MULTICAST = 0x0012, "Multicast";
    PAGE_REQUEST_INTERFACE = 0x0013, "Page Request Interface";
    RESIZABLE_BAR = 0x0015, "Resizable BAR";
    DYNAMIC_POWER_ALLOCATION = 0x0016, "Dynamic Power Allocation";
    TPH_REQUESTER = 0x0017, "TPH Requester";
    LATENCY_TOLERANCE_REPORTING = 0x0018, "Latency Tolerance Reporting";
    SECONDARY_EXPRESS = 0x0019, "Secondary PCI Express";
    PROTOCOL_MULTIPLEXING = 0x001a, "Protocol Multiplexing";
    PASID = 0x001b, "Process Address Space ID";
    LN_REQUESTER = 0x001c, "LN Requester";
    DPC = 0x001d, "Downstream Port Containment";
    L1_PM_SUBSTATES = 0x001e, "L1 PM Substates";
    PRECISION_TIME_MEASUREMENT = 0x001f, "Precision Time Measurement";
    M_PHY = 0x0020, "PCI Express over M-PHY";
    FRS_QUEUEING = 0x0021, "FRS Queueing";
    READINESS_TIME_REPORTING = 0x0022, "Readiness Time Reporting";
    DESIGNATED_VENDOR_SPECIFIC = 0x0023, "Designated Vendor-Specific";
    VF_RESIZABLE_BAR = 0x0024, "VF Resizable BAR";
    DATA_LINK_FEATURE = 0x0025, "Data Link Feature";
    PHYSICAL_LAYER_16_GT = 0x0026, "Physical Layer 16.0 GT/s";
    LANE_MARGINING = 0x0027, "Lane Margining at the Receiver";
    HIERARCHY_ID = 0x0028, "Hierarchy ID";
    NATIVE_ENCLOSURE_MANAGEMENT = 0x0029, "Native PCIe Enclosure Management";
    PHYSICAL_LAYER_32_GT = 0x002a, "Physical Layer 32.0 GT/s";
    ALTERNATE_PROTOCOL = 0x002b, "Alternate Protocol";
    SYSTEM_FIRMWARE_INTERMEDIARY = 0x002c, "System Firmware Intermediary";
    SHADOW_FUNCTIONS = 0x002d, "Shadow Functions";
    DATA_OBJECT_EXCHANGE = 0x002e, "Data Object Exchange";
    DEVICE_3 = 0x002f, "Device 3";
    INTEGRITY_AND_DATA_ENCRYPTION = 0x0030, "Integrity and Data Encryption";
    PHYSICAL_LAYER_64_GT = 0x0031, "Physical Layer 64.0 GT/s";
    FLIT_LOGGING = 0x0032, "Flit Logging";
    FLIT_PERFORMANCE_MEASUREMENT = 0x0033, "Flit Performance Measurement";
    FLIT_ERROR_INJECTION = 0x0034, "Flit Error Injection";
    STREAMLINED_VIRTUAL_CHANNEL = 0x0035, "Streamlined Virtual Channel";
    MMIO_REGISTER_BLOCK_LOCATOR = 0x0036, "MMIO Register Block Locator";
});

impl fmt::Display for ExtendedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}
