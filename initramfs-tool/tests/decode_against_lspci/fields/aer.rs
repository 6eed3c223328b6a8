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
            ("ECRCGenEn", Flag, "ecrc_generation"),
            ("ECRCChkCap", Flag, "ecrc_check_capable"),
            ("ECRCChkEn", Flag, "ecrc_check"),
            ("MultHdrRecCap", Flag, "multiple_header_recording_capable"),
            ("MultHdrRecEn", Flag, "multiple_header_recording"),
            ("TLPPfxPres", Flag, "tlp_prefix_log"),
            ("HdrLogCap", Flag, "completion_timeout_log_capable"),
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
            ("CERptEn", Flag, "correctable_error_reporting"),
            ("NFERptEn", Flag, "non_fatal_error_reporting"),
            ("FERptEn", Flag, "fatal_error_reporting"),
        ],
    ),
    Rows(
        Place::Extended(0x0001),
        "RootSta:",
        "",
        "root_status",
        &[
            ("CERcvd", Flag, "correctable"),
            ("MultCERcvd", Flag, "multiple_correctable"),
            ("UERcvd", Flag, "uncorrectable"),
            ("MultUERcvd", Flag, "multiple_uncorrectable"),
            ("FirstFatal", Flag, "first_uncorrectable_fatal"),
            ("NonFatalMsg", Flag, "non_fatal"),
            ("FatalMsg", Flag, "fatal"),
            ("IntMsg ", Number, "interrupt_message_number"),
            ("IntMsgNum ", Number, "interrupt_message_number"),
        ],
    ),
    Rows(
        Place::Extended(0x0001),
        "ErrorSrc:",
        "",
        "error_source",
        &[
            ("ERR_COR: ", Hex, "correctable"),
            ("ERR_FATAL/NONFATAL: ", Hex, "uncorrectable"),
        ],
    ),
];

const UNCORRECTABLE: &[Field] = &[
    ("DLP", Flag, "data_link_protocol"),
    ("SDES", Flag, "surprise_down"),
    ("TLP", Flag, "poisoned_tlp"),
    ("FCP", Flag, "flow_control_protocol"),
    ("CmpltTO", Flag, "completion_timeout"),
    ("CmpltAbrt", Flag, "completer_abort"),
    ("UnxCmplt", Flag, "unexpected_completion"),
    ("RxOF", Flag, "receiver_overflow"),
    ("MalfTLP", Flag, "malformed_tlp"),
    ("ECRC", Flag, "ecrc"),
    ("UnsupReq", Flag, "unsupported_request"),
    ("ACSViol", Flag, "acs_violation"),
    ("UncorrIntErr", Flag, "internal"),
    ("BlockedTLP", Flag, "mc_blocked_tlp"),
    ("AtomicOpBlocked", Flag, "atomic_op_egress_blocked"),
    ("TLPBlockedErr", Flag, "tlp_prefix_blocked"),
    ("PoisonTLPBlocked", Flag, "poisoned_tlp_egress_blocked"),
    ("DMWrReqBlocked", Flag, "dmwr_egress_blocked"),
    ("IDECheck", Flag, "ide_check_failed"),
    ("MisIDETLP", Flag, "misrouted_ide_tlp"),
    ("PCRC_CHECK", Flag, "pcrc_check_failed"),
    ("TLPXlatBlocked", Flag, "tlp_translation_egress_blocked"),
];

const CORRECTABLE: &[Field] = &[
    ("RxErr", Flag, "receiver"),
    ("BadTLP", Flag, "bad_tlp"),
    ("BadDLLP", Flag, "bad_dllp"),
    ("Rollover", Flag, "replay_num_rollover"),
    ("Timeout", Flag, "replay_timer_timeout"),
    ("AdvNonFatalErr", Flag, "advisory_non_fatal"),
    ("CorrIntErr", Flag, "internal"),
    ("HeaderOF", Flag, "header_log_overflow"),
];
