//! Facts about a machine, as types: its GPUs, their users, their identification.

pub mod display;
pub mod finding;
pub mod gpu_name;
pub mod identification;
pub mod inventory;
pub mod iommu;
pub mod memory_map;
pub mod subject;
pub mod system_use;
pub mod topology_path;
pub mod usage;
pub mod variants;
