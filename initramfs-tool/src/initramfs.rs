//! The claim in the initramfs: who builds the image, what goes into it, whether it is in there, and the way back.
//!
//! Read in this order: [`builder`] (who makes images, and what files that takes) → [`machine`] (the facts) → [`plan`] (the
//! machine held against the request: what is done, or why not) → [`measured`] (disks that would not open) → [`archive`] (an image's own form) →
//! [`contents`] (what of ours is in one) → [`menu`] (the previous image in the boot menu) → [`record`] (what has been
//! done, for the way back).

pub mod archive;
pub mod builder;
pub mod contents;
pub mod machine;
pub mod measured;
pub mod menu;
pub mod plan;
pub mod record;
