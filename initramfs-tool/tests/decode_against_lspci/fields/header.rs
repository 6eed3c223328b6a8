//! Command, Status, Bridge Control.

use super::Kind::Flag;
use super::{Place, Rows};

pub(super) const ROWS: &[Rows] = &[
    Rows(
        Place::Header,
        "Control:",
        "",
        "command",
        &[
            ("I/O", Flag, "io_space"),
            ("Mem", Flag, "memory_space"),
            ("BusMaster", Flag, "bus_master"),
            ("ParErr", Flag, "parity_error_response"),
            ("SERR", Flag, "serr"),
            ("DisINTx", Flag, "interrupt_disable"),
        ],
    ),
    Rows(
        Place::Header,
        "Status:",
        "",
        "status",
        &[
            ("Cap", Flag, "capabilities_list"),
            ("ParErr", Flag, "master_data_parity_error"),
            (">TAbort", Flag, "signaled_target_abort"),
            ("<TAbort", Flag, "received_target_abort"),
            ("<MAbort", Flag, "received_master_abort"),
            (">SERR", Flag, "signaled_system_error"),
            ("<PERR", Flag, "detected_parity_error"),
            ("INTx", Flag, "interrupt"),
        ],
    ),
    Rows(
        Place::Header,
        "BridgeCtl:",
        "",
        "bridge_control",
        &[
            ("Parity", Flag, "parity_error_response"),
            ("SERR", Flag, "serr"),
            ("NoISA", Flag, "isa"),
            ("VGA", Flag, "vga"),
            ("VGA16", Flag, "vga_16_bit"),
            ("MAbort", Flag, "master_abort"),
            (">Reset", Flag, "secondary_bus_reset"),
            ("FastB2B", Flag, "fast_back_to_back"),
            ("PriDiscTmr", Flag, "primary_discard_timer"),
            ("SecDiscTmr", Flag, "secondary_discard_timer"),
            ("DiscTmrStat", Flag, "discard_timer_status"),
            ("DiscTmrSERREn", Flag, "discard_timer_serr"),
        ],
    ),
];
