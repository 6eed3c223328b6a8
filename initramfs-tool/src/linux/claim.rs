//! The claim, done: at boot, and of a GPU that appears on a running machine.

pub(crate) mod backend;
pub(crate) mod boot;
#[cfg(feature = "operator")]
pub(crate) mod check;
pub(crate) mod displays;
pub(crate) mod effects;
#[cfg(feature = "operator")]
pub(crate) mod flr_kept_out;
#[cfg(feature = "operator")]
pub(crate) mod hot_plug;
pub(crate) mod iommu;
pub(crate) mod machine;
pub(crate) mod mask;
pub(crate) mod modprobe;
pub(crate) mod quarantine_check;
pub(crate) mod run;
#[cfg(feature = "operator")]
pub(crate) mod system_uses;
pub(crate) mod variants;
pub(crate) mod worker;
pub(crate) mod workers;
