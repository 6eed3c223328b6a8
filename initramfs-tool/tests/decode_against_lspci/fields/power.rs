//! PCI Power Management and Advanced Features.

use super::Kind::{Flag, Number, State};
use super::{Place, Rows};

pub(super) const ROWS: &[Rows] = &[
    Rows(
        Place::Standard(0x01),
        "",
        "",
        "capabilities",
        &[("version ", Number, "version")],
    ),
    Rows(
        Place::Standard(0x01),
        "Flags:",
        "",
        "capabilities",
        &[
            ("PMEClk", Flag, "pme_clock"),
            ("DSI", Flag, "device_specific_initialization"),
            ("D1", Flag, "d1_support"),
            ("D2", Flag, "d2_support"),
            ("AuxCurrent=", Number, "aux_current_milliamperes"),
        ],
    ),
    Rows(
        Place::Standard(0x01),
        "Flags:",
        "PME(",
        "capabilities",
        &[
            ("D0", Flag, "pme_support_d0"),
            ("D1", Flag, "pme_support_d1"),
            ("D2", Flag, "pme_support_d2"),
            ("D3hot", Flag, "pme_support_d3hot"),
            ("D3cold", Flag, "pme_support_d3cold"),
        ],
    ),
    Rows(
        Place::Standard(0x01),
        "Status:",
        "",
        "control_status",
        &[
            ("D", State, "power_state"),
            ("NoSoftRst", Flag, "no_soft_reset"),
            ("PME-Enable", Flag, "pme_enable"),
            ("DSel=", Number, "data_select"),
            ("DScale=", Number, "data_scale"),
            ("PME", Flag, "pme_status"),
        ],
    ),
    Rows(
        Place::Standard(0x13),
        "AFCap:",
        "",
        "capabilities",
        &[
            ("TP", Flag, "transactions_pending"),
            ("FLR", Flag, "function_level_reset"),
        ],
    ),
    Rows(
        Place::Standard(0x13),
        "AFCtrl:",
        "",
        "control",
        &[("FLR", Flag, "initiate_flr")],
    ),
    Rows(
        Place::Standard(0x13),
        "AFStatus:",
        "",
        "status",
        &[("TP", Flag, "transactions_pending")],
    ),
];
