//! The Linux end of reseat: the boot claim and the operator's command.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`model`] | the machine as facts: GPUs, who uses them, displays, variants, how one is recognised |
//! | [`rules`] | which GPUs are wanted: rules file and kernel command line |
//! | [`plan`] | the rules applied to the machine |
//! | [`claim`] | the claim as machines that decide: one GPU, and the workers |
//! | [`report`] | what is written down |
//! | [`recovery`] | bringing a GPU back: journal, baseline, what is said meanwhile |
//! | [`records`] | what outlives a recovery: history, quarantine, evidence |
//! | [`decode`] | configuration spaces out of a text, decoded by reseat-core |
//! | [`initramfs`] | the claim in the initramfs, and the way back |
//! | [`linux`] | the effects: the only module that touches /sys, /proc, /dev, /run and /var |
//!
//! Everything but [`linux`] is pure: facts and time go in, decisions come out.
//!
//! The boot claim is built without the feature `operator`: a module that only the operator's command needs stands behind it.

#![cfg_attr(
    not(feature = "operator"),
    allow(
        dead_code,
        reason = "modules of both programs also hold what only the operator's command uses"
    )
)]

#[cfg(test)]
extern crate self as reseat;

pub mod claim;
#[cfg(feature = "operator")]
pub mod decode;
#[cfg(feature = "operator")]
pub mod initramfs;
pub mod linux;
/// Sentences are the programs' matter. Tests read findings as text.
#[cfg(test)]
#[path = "bin/messages/mod.rs"]
mod messages;
pub mod model;
pub mod plan;
pub mod records;
#[cfg(feature = "operator")]
pub mod recovery;
pub mod report;
pub mod rules;
