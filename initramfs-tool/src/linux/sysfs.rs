//! The kernel's files: functions, attributes, configuration space, BARs, slots and VFIO.

pub(crate) mod attributes;
pub(crate) mod capabilities;
pub(crate) mod config_space;
pub(crate) mod drivers;
pub(crate) mod functions;
#[cfg(feature = "operator")]
pub(crate) mod reset_methods;
#[cfg(feature = "operator")]
pub(crate) mod resources;
pub(crate) mod root;
pub(crate) mod slots;
#[cfg(feature = "operator")]
pub(crate) mod vfio;
