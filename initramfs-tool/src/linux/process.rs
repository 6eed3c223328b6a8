//! Child processes. Nothing else starts a program.
//!
//! A system call on a device can block in the kernel without a limit, and a process that is blocked there cannot be killed. So
//! a child makes every such call, and the caller can leave it behind.
//!
//! | module | content |
//! | --- | --- |
//! | [`child`] | a child of this very program: started for a [`Job`](serve::Job), listened to, limited, abandoned |
//! | [`serve`] | the child's side: which job, and the line to the supervisor |
//! | [`frame`] | the one protocol: values, each behind its length |
//! | `signals` | the signals that ask a recovery to end |
//! | [`program`] | programs of the distribution: modprobe, builders of images, decompressors |
//!
//! There is one way to limit all of them: the caller waits on the descriptors of the child, up to a deadline; then the child
//! is killed and *not* waited for. The kill takes effect when the kernel lets go of it. The caller's own end reaps it.

#![cfg_attr(
    not(feature = "operator"),
    allow(
        dead_code,
        reason = "the boot claim asks no child twice, and runs no program but modprobe"
    )
)]

pub(crate) mod child;
pub(crate) mod frame;
pub(crate) mod program;
pub(crate) mod serve;
#[cfg(feature = "operator")]
pub(crate) mod signals;
mod wait;

#[cfg(test)]
mod tests;
