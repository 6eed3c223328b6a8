//! The claim in the initramfs: adding it to an image, checking it and removing it.
//!
//! Read in this order: [`builder`] (the builders and their files) → [`machine`] (the facts) → [`plan`] (the request
//! checked against the machine) → [`measured`] (disks that would not open) → [`archive`] (the image format) →
//! [`contents`] (reseat's files in an image) → [`menu`] (the previous image in the boot menu) → [`record`] (the changes
//! made, to undo them).

pub mod archive;
pub mod builder;
pub mod contents;
pub mod machine;
pub mod measured;
pub mod menu;
pub mod plan;
pub mod record;
