//! The state of the machine: topology, health, usage, serial numbers, VBIOS.

pub(crate) mod details;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod machine;
pub(crate) mod reset_class;
pub(crate) mod serial_numbers;
pub(crate) mod usage;
pub(crate) mod vbios;
