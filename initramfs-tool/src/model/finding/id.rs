//! The kinds of findings and their remedies, by area.
//!
//! An id never changes its meaning and is never reused. A new one gets a row in its area here, a sentence in
//! `bin/messages`, and a line in `docs/findings.md`.

/// Declares the ids of an area, the remedies, and the lists of both.
macro_rules! findings {
    (
        ids { $($(#[doc = $doc:literal])+ $name:ident = $text:literal;)* }
        remedies { $($(#[doc = $remedy_doc:literal])+ $remedy:ident = $remedy_text:literal;)* }
    ) => {
        $($(#[doc = $doc])+ pub const $name: $crate::model::finding::Id = $crate::model::finding::Id::new($text);)*
        $($(#[doc = $remedy_doc])+ pub const $remedy: $crate::model::finding::Remedy = $crate::model::finding::Remedy::new($remedy_text);)*

        pub(super) const IDS: &[$crate::model::finding::Id] = &[$($name),*];
        pub(super) const REMEDIES: &[$crate::model::finding::Remedy] = &[$($remedy),*];
    };
}

use findings;

mod claim;
mod command;
mod decode;
mod initramfs;
mod machine;
mod recovery;

pub use claim::*;
pub use command::*;
pub use decode::*;
pub use initramfs::*;
pub use machine::*;
pub use recovery::*;

use super::{Id, Remedy};

/// Every id, by area.
#[allow(unused_qualifications, reason = "each area has a list of this name")]
pub const ALL: &[&[Id]] = &[
    command::IDS,
    machine::IDS,
    claim::IDS,
    recovery::IDS,
    initramfs::IDS,
    decode::IDS,
];

/// Every remedy, by area.
#[allow(unused_qualifications, reason = "each area has a list of this name")]
pub const REMEDIES: &[&[Remedy]] = &[
    command::REMEDIES,
    machine::REMEDIES,
    claim::REMEDIES,
    recovery::REMEDIES,
    initramfs::REMEDIES,
    decode::REMEDIES,
];
