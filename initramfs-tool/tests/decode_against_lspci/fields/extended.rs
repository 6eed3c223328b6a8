//! The other extended capabilities.

use super::Kind::{Code, Flag, Hex, Lanes, Number, Text};
use super::{Field, Place, Rows};

pub(super) const ROWS: &[Rows] = &[
    Rows(
        Place::Extended(0x0003),
        "",
        "",
        "serial_number",
        &[("Device Serial Number ", Text, "number")],
    ),
    Rows(
        Place::Extended(0x000b),
        "",
        "",
        "header",
        &[
            ("ID=", Hex, "vsec_id"),
            ("Rev=", Number, "vsec_rev"),
            ("Len=", Hex, "vsec_length"),
        ],
    ),
    Rows(Place::Extended(0x000d), "ACSCap:", "", "capability", ACS_CAPABILITY),
    Rows(Place::Extended(0x000d), "ACSCtl:", "", "control", ACS_CONTROL),
    Rows(
        Place::Extended(0x000e),
        "ARICap:",
        "",
        "capability",
        &[
            ("MFVC", Flag, "mfvc_function_groups_capability"),
            ("ACS", Flag, "acs_function_groups_capability"),
            ("Next Function: ", Number, "next_function_number"),
        ],
    ),
    Rows(
        Place::Extended(0x000e),
        "ARICtl:",
        "",
        "control",
        &[
            ("MFVC", Flag, "mfvc_function_groups_enable"),
            ("ACS", Flag, "acs_function_groups_enable"),
            ("Function Group: ", Number, "function_group"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "IOVCap:",
        "",
        "capabilities",
        &[
            ("Migration", Flag, "vf_migration_capable"),
            ("10BitTagReq", Flag, "vf_ten_bit_tag_requester_supported"),
            (
                "Interrupt Message Number: ",
                Hex,
                "vf_migration_interrupt_message_number",
            ),
            ("IntMsgNum ", Number, "vf_migration_interrupt_message_number"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "IOVCtl:",
        "",
        "control",
        &[
            ("Enable", Flag, "vf_enable"),
            ("Migration", Flag, "vf_migration_enable"),
            ("Interrupt", Flag, "vf_migration_interrupt_enable"),
            ("MSE", Flag, "vf_memory_space_enable"),
            ("ARIHierarchy", Flag, "ari_capable_hierarchy"),
            ("10BitTagReq", Flag, "vf_ten_bit_tag_requester_enable"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "IOVSta:",
        "",
        "status",
        &[("Migration", Flag, "vf_migration_status")],
    ),
    Rows(
        Place::Extended(0x0010),
        "Initial VFs:",
        "",
        "limits",
        &[
            ("Initial VFs: ", Number, "initial_vfs"),
            ("Total VFs: ", Number, "total_vfs"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "Initial VFs:",
        "",
        "number",
        &[
            ("Number of VFs: ", Number, "num_vfs"),
            ("Function Dependency Link: ", Hex, "function_dependency_link"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "VF offset:",
        "",
        "routing",
        &[
            ("VF offset: ", Number, "first_vf_offset"),
            ("stride: ", Number, "vf_stride"),
        ],
    ),
    Rows(
        Place::Extended(0x0010),
        "VF offset:",
        "",
        "device_id",
        &[("Device ID: ", Hex, "device")],
    ),
    Rows(
        Place::Extended(0x0010),
        "Supported Page Size:",
        "",
        "supported_page_sizes",
        &[("Supported Page Size: ", Hex, "pages")],
    ),
    Rows(
        Place::Extended(0x0010),
        "Supported Page Size:",
        "",
        "system_page_size",
        &[("System Page Size: ", Hex, "pages")],
    ),
    Rows(
        Place::Extended(0x0019),
        "LnkCtl3:",
        "",
        "link_control_3",
        &[
            ("LnkEquIntrruptEn", Flag, "link_equalization_request_interrupt_enable"),
            ("PerformEqu", Flag, "perform_equalization"),
        ],
    ),
    Rows(
        Place::Extended(0x0019),
        "LaneErrStat:",
        "",
        "lane_error_status",
        &[("LaneErrStat: ", Lanes, "lanes")],
    ),
    Rows(
        Place::Extended(0x001d),
        "DpcCap:",
        "",
        "capability",
        &[
            ("INT Msg #", Number, "dpc_interrupt_message_number"),
            ("IntMsgNum ", Number, "dpc_interrupt_message_number"),
            ("RPExt", Flag, "rp_extensions_for_dpc"),
            ("PoisonedTLP", Flag, "poisoned_tlp_egress_blocking_supported"),
            ("SwTrigger", Flag, "dpc_software_triggering_supported"),
            ("RP PIO Log ", Number, "rp_pio_log_size"),
            ("DL_ActiveErr", Flag, "dl_active_err_cor_signaling_supported"),
        ],
    ),
    Rows(
        Place::Extended(0x001d),
        "DpcCtl:",
        "",
        "control",
        &[
            (
                "Trigger:",
                Code(&["disabled", "fatal", "non-fatal-or-fatal", "reserved-3"]),
                "dpc_trigger_enable",
            ),
            ("Cmpl", Flag, "dpc_completion_control"),
            ("INT", Flag, "dpc_interrupt_enable"),
            ("ErrCor", Flag, "dpc_err_cor_enable"),
            ("PoisonedTLP", Flag, "poisoned_tlp_egress_blocking_enable"),
            ("SwTrigger", Flag, "dpc_software_trigger"),
            ("DL_ActiveErr", Flag, "dl_active_err_cor_enable"),
        ],
    ),
    Rows(
        Place::Extended(0x001d),
        "DpcSta:",
        "",
        "status",
        &[
            ("Trigger", Flag, "dpc_trigger_status"),
            (
                "Reason:",
                Code(&["uncorrectable-error", "non-fatal-message", "fatal-message", "extension"]),
                "dpc_trigger_reason",
            ),
            ("INT", Flag, "dpc_interrupt_status"),
            ("RPBusy", Flag, "dpc_rp_busy"),
            (
                "TriggerExt:",
                Code(&["rp-pio-error", "software-trigger", "reserved-2", "reserved-3"]),
                "dpc_trigger_reason_extension",
            ),
            ("RP PIO ErrPtr:", Hex, "rp_pio_first_error_pointer"),
        ],
    ),
    Rows(
        Place::Extended(0x001d),
        "Source:",
        "",
        "error_source",
        &[("Source: ", Hex, "source")],
    ),
    Rows(
        Place::Extended(0x0023),
        "",
        "",
        "header",
        &[
            ("Vendor=", Hex, "dvsec_vendor_id"),
            ("Rev=", Number, "dvsec_revision"),
            ("Len=", Number, "dvsec_length"),
        ],
    ),
    Rows(Place::Extended(0x0023), "", "", "id", &[("ID=", Hex, "id")]),
    Rows(
        Place::Extended(0x0023),
        "CXLPortCtl:",
        "",
        "cxl_port_control",
        &[
            ("UnmaskSBR", Flag, "unmask_sbr"),
            ("UnmaskLinkDisable", Flag, "unmask_link_disable"),
        ],
    ),
];

const ACS_CAPABILITY: &[Field] = &[
    ("SrcValid", Flag, "acs_source_validation"),
    ("TransBlk", Flag, "acs_translation_blocking"),
    ("ReqRedir", Flag, "acs_p2p_request_redirect"),
    ("CmpltRedir", Flag, "acs_p2p_completion_redirect"),
    ("UpstreamFwd", Flag, "acs_upstream_forwarding"),
    ("EgressCtrl", Flag, "acs_p2p_egress_control"),
    ("DirectTrans", Flag, "acs_direct_translated_p2p"),
];

const ACS_CONTROL: &[Field] = &[
    ("SrcValid", Flag, "acs_source_validation_enable"),
    ("TransBlk", Flag, "acs_translation_blocking_enable"),
    ("ReqRedir", Flag, "acs_p2p_request_redirect_enable"),
    ("CmpltRedir", Flag, "acs_p2p_completion_redirect_enable"),
    ("UpstreamFwd", Flag, "acs_upstream_forwarding_enable"),
    ("EgressCtrl", Flag, "acs_p2p_egress_control_enable"),
    ("DirectTrans", Flag, "acs_direct_translated_p2p_enable"),
];
