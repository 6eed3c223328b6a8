//! The test bed: a stock Debian kernel in QEMU, an initramfs built by Debian's own
//! initramfs-tools, a small real root, and functions that other processes serve.
//!
//! In reading order: [`artifacts`] fetches the parts, [`initramfs`], [`root`] and [`on_the_root`] build what
//! boots, [`machine`] runs it, [`console`], [`shell`] and [`qmp`] talk to it.

pub mod artifacts;
mod chroot;
pub mod clock;
pub mod console;
pub mod cpio;
pub mod files;
mod fingerprint;
pub mod initramfs;
pub mod machine;
pub mod on_the_root;
mod parallel;
pub mod process;
pub mod progress;
pub mod qmp;
pub mod root;
pub mod shell;
pub mod vfio_user;
