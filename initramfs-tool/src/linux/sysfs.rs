//! The kernel's files: functions, attributes, configuration space, BARs, slots and VFIO.

pub(crate) mod attributes;
pub(crate) mod capabilities;
pub(crate) mod config_space;
pub(crate) mod drivers;
pub(crate) mod functions;
pub(crate) mod resources;
pub(crate) mod root;
pub(crate) mod slots;
pub(crate) mod vfio;
