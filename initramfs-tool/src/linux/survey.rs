//! The state of the machine: topology, health, usage, serial numbers, VBIOS.

pub(crate) mod admission;
pub(crate) mod details;
#[cfg(feature = "operator")]
pub(crate) mod gpus;
#[cfg(feature = "operator")]
pub(crate) mod health;
#[cfg(feature = "operator")]
pub(crate) mod host;
#[cfg(feature = "operator")]
pub(crate) mod identity;
#[cfg(feature = "operator")]
pub(crate) mod machine;
#[cfg(feature = "operator")]
pub(crate) mod reset_class;
pub(crate) mod serial_numbers;
#[cfg(feature = "operator")]
pub(crate) mod usage;
#[cfg(feature = "operator")]
pub(crate) mod vbios;
