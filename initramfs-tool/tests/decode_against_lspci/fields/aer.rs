//! Advanced Error Reporting.

use super::Kind::{Flag, Hex, Number, Text};
use super::{Field, Place, Rows};

pub(super) const ROWS: &[Rows] = &[
    Rows(
        Place::Extended(0x0001),
        "UESta:",
        "",
        "uncorrectable_status",
        UNCORRECTABLE,
    ),
    Rows(
        Place::Extended(0x0001),
        "UEMsk:",
        "",
        "uncorrectable_mask",
        UNCORRECTABLE,
    ),
    Rows(
        Place::Extended(0x0001),
        "UESvrt:",
        "",
        "uncorrectable_severity",
        UNCORRECTABLE,
    ),
    Rows(Place::Extended(0x0001), "CESta:", "", "correctable_status", CORRECTABLE),
    Rows(Place::Extended(0x0001), "CEMsk:", "", "correctable_mask", CORRECTABLE),
    Rows(
        Place::Extended(0x0001),
        "AERCap:",
        "",
        "capabilities_control",
        &[
            ("First Error Pointer: ", Hex, "first_error_pointer"),
            ("ECRCGenCap", Flag, "ecrc_generation_capable"),
            ("ECRCGenEn", Flag, "ecrc_generation_enable"),
            ("ECRCChkCap", Flag, "ecrc_check_capable"),
            ("ECRCChkEn", Flag, "ecrc_check_enable"),
            ("MultHdrRecCap", Flag, "multiple_header_recording_capable"),
            ("MultHdrRecEn", Flag, "multiple_header_recording_enable"),
            ("TLPPfxPres", Flag, "tlp_prefix_log_present"),
            ("HdrLogCap", Flag, "completion_timeout_prefix_header_log_capable"),
        ],
    ),
    Rows(
        Place::Extended(0x0001),
        "HeaderLog:",
        "",
        "header_log",
        &[("HeaderLog: ", Text, "header")],
    ),
    Rows(
        Place::Extended(0x0001),
        "RootCmd:",
        "",
        "root_command",
        &[
            ("CERptEn", Flag, "correctable_error_reporting_enable"),
            ("NFERptEn", Flag, "non_fatal_error_reporting_enable"),
            ("FERptEn", Flag, "fatal_error_reporting_enable"),
        ],
    ),
    Rows(
        Place::Extended(0x0001),
        "RootSta:",
        "",
        "root_status",
        &[
            ("CERcvd", Flag, "err_cor_received"),
            ("MultCERcvd", Flag, "multiple_err_cor_received"),
            ("UERcvd", Flag, "err_fatal_nonfatal_received"),
            ("MultUERcvd", Flag, "multiple_err_fatal_nonfatal_received"),
            ("FirstFatal", Flag, "first_uncorrectable_fatal"),
            ("NonFatalMsg", Flag, "non_fatal_error_messages_received"),
            ("FatalMsg", Flag, "fatal_error_messages_received"),
            ("IntMsg ", Number, "advanced_error_interrupt_message_number"),
            ("IntMsgNum ", Number, "advanced_error_interrupt_message_number"),
        ],
    ),
    Rows(
        Place::Extended(0x0001),
        "ErrorSrc:",
        "",
        "error_source",
        &[
            ("ERR_COR: ", Hex, "err_cor_source_identification"),
            ("ERR_FATAL/NONFATAL: ", Hex, "err_fatal_nonfatal_source_identification"),
        ],
    ),
];

const UNCORRECTABLE: &[Field] = &[
    ("DLP", Flag, "data_link_protocol_error"),
    ("SDES", Flag, "surprise_down_error"),
    ("TLP", Flag, "poisoned_tlp_received"),
    ("FCP", Flag, "flow_control_protocol_error"),
    ("CmpltTO", Flag, "completion_timeout"),
    ("CmpltAbrt", Flag, "completer_abort"),
    ("UnxCmplt", Flag, "unexpected_completion"),
    ("RxOF", Flag, "receiver_overflow"),
    ("MalfTLP", Flag, "malformed_tlp"),
    ("ECRC", Flag, "ecrc_error"),
    ("UnsupReq", Flag, "unsupported_request_error"),
    ("ACSViol", Flag, "acs_violation"),
    ("UncorrIntErr", Flag, "uncorrectable_internal_error"),
    ("BlockedTLP", Flag, "mc_blocked_tlp"),
    ("AtomicOpBlocked", Flag, "atomic_op_egress_blocked"),
    ("TLPBlockedErr", Flag, "tlp_prefix_blocked_error"),
    ("PoisonTLPBlocked", Flag, "poisoned_tlp_egress_blocked"),
    ("DMWrReqBlocked", Flag, "dmwr_request_egress_blocked"),
    ("IDECheck", Flag, "ide_check_failed"),
    ("MisIDETLP", Flag, "misrouted_ide_tlp"),
    ("PCRC_CHECK", Flag, "pcrc_check_failed"),
    ("TLPXlatBlocked", Flag, "tlp_translation_egress_blocked"),
];

const CORRECTABLE: &[Field] = &[
    ("RxErr", Flag, "receiver_error"),
    ("BadTLP", Flag, "bad_tlp"),
    ("BadDLLP", Flag, "bad_dllp"),
    ("Rollover", Flag, "replay_num_rollover"),
    ("Timeout", Flag, "replay_timer_timeout"),
    ("AdvNonFatalErr", Flag, "advisory_non_fatal_error"),
    ("CorrIntErr", Flag, "corrected_internal_error"),
    ("HeaderOF", Flag, "header_log_overflow"),
];
