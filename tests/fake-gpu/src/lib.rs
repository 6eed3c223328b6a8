//! A GPU made of software, for tests: it serves each of its functions to QEMU over vfio-user,
//! misbehaves as a test scripts it and logs every access.
//!
//! It shares no code with reseat, so that a test and the tested cannot share a mistake. In the
//! order of reading: a [`profile`] designs a board out of [`config_space`] and [`capability`]
//! tables; [`function`] behaves; [`server`] puts functions on sockets and takes [`control`]
//! commands; [`log`] is what a test reads afterwards; [`process`] is a test's handle on all of it.

pub mod capability;
pub mod clock;
pub mod config_space;
pub mod control;
pub mod files;
pub mod function;
pub mod log;
pub mod process;
pub mod profile;
pub mod server;
