//! The Linux end of reseat: the boot claim and the operator's command.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`rules`] | which GPUs are wanted: rules file and kernel command line |
//! | [`inventory`] | what is there: functions, and the GPUs they make up |
//! | [`topology_path`] | where a function is, whatever the buses are numbered |
//! | [`display`] | what shows that a GPU drives a display |
//! | [`variants`] | which vfio driver is made for a function |
//! | [`iommu`] | why there is no IOMMU, in words |
//! | [`plan`] | rules held against the machine |
//! | [`claim`] | the claim as machines that decide: one GPU, and the workers |
//! | [`report`] | what is written down |
//! | [`decode`] | configuration spaces out of a text, decoded by reseat-core |
//! | [`usage`] | who uses a GPU |
//! | [`identification`] | by what a GPU is known again |
//! | [`history`] | what came of each rung, and what that says about FLR in a class |
//! | [`quarantine`] | which GPUs are out of service |
//! | [`checked_lines`] | JSON lines that carry a checksum each |
//! | [`recovery`] | bringing a GPU back: journal, baseline, what is said meanwhile |
//! | [`evidence`] | what was seen in a recovery |
//! | [`initramfs`] | the claim in the initramfs, and the way back |
//! | [`linux`] | the effects: the only module that touches /sys, /proc, /dev, /run and /var |
//!
//! Everything but [`linux`] is pure: facts and time go in, decisions come out.

pub mod checked_lines;
pub mod claim;
pub mod decode;
pub mod display;
pub mod evidence;
pub mod history;
pub mod identification;
pub mod initramfs;
pub mod inventory;
pub mod iommu;
pub mod linux;
pub mod plan;
pub mod quarantine;
pub mod recovery;
pub mod report;
pub mod rules;
pub mod topology_path;
pub mod usage;
pub mod variants;
