//! Registers that cannot be decoded, and lists that end early, in JSON.

use reseat_core::capability::Pointer;
use reseat_core::capability::extended_space::NoExtendedSpace;
use reseat_core::capability::list::ListEnd;
use reseat_core::capability::view::ViewError;
use reseat_core::capability::walk::WalkEnd;
use reseat_core::config::{Offset, RegisterError};
use serde::{Serialize, Serializer};

use super::hex::space::NotDumped;

/// A register without a value.
#[derive(Serialize)]
pub(super) struct Fault {
    /// `all-ones`, `not-in-dump`, or `beyond-bound` of a register behind the end of its capability.
    kind: &'static str,
    /// The register, from the start of the space.
    offset: Option<u16>,
    /// The register, from the start of its capability.
    relative_offset: Option<u16>,
    /// The end of the capability, from its start.
    length: Option<u16>,
}

impl Fault {
    pub(super) fn of_view(error: &ViewError<NotDumped>) -> Self {
        match error {
            ViewError::BeyondBound { relative, length } => Self {
                kind: "beyond-bound",
                offset: None,
                relative_offset: Some(relative.get()),
                length: Some(*length),
            },
            ViewError::Register(error) => Self::of_register(error),
        }
    }

    fn of_register(error: &RegisterError<NotDumped>) -> Self {
        let (kind, at) = match error {
            RegisterError::AllOnes { at } => ("all-ones", at),
            RegisterError::Failed { at, error: NotDumped } => ("not-in-dump", at),
        };
        Self {
            kind,
            offset: Some(at.get()),
            relative_offset: None,
            length: None,
        }
    }
}

/// The end of a list.
#[derive(Serialize)]
struct EndDocument {
    /// `complete`, `cycle`, `misaligned`, `out-of-range`, `unreadable` or `full`.
    kind: &'static str,
    /// The register with the last pointer.
    at: Option<u16>,
    /// The last pointer, its reserved bits included.
    pointer: Option<u16>,
    /// The header that cannot be read.
    unreadable: Option<Fault>,
}

impl EndDocument {
    fn of(end: &ListEnd<NotDumped>) -> Self {
        match end {
            ListEnd::Walked(WalkEnd::Complete) => Self::at("complete", None),
            ListEnd::Walked(WalkEnd::Cycle { at, target }) => Self::at("cycle", Some((at, target.get()))),
            ListEnd::Walked(WalkEnd::Misaligned { at, pointer }) => Self::at("misaligned", Some((at, bits(pointer)))),
            ListEnd::Walked(WalkEnd::OutOfRange { at, pointer }) => Self::at("out-of-range", Some((at, bits(pointer)))),
            ListEnd::Walked(WalkEnd::Unreadable(error)) => Self {
                unreadable: Some(Fault::of_register(error)),
                ..Self::at("unreadable", None)
            },
            ListEnd::Full => Self::at("full", None),
        }
    }

    fn at(kind: &'static str, pointer: Option<(&Offset, u16)>) -> Self {
        Self {
            kind,
            at: pointer.map(|(at, _)| at.get()),
            pointer: pointer.map(|(_, pointer)| pointer),
            unreadable: None,
        }
    }
}

fn bits(pointer: &Pointer) -> u16 {
    pointer.target() | pointer.reserved()
}

/// A reason for which there is no extended space.
#[derive(Serialize)]
struct NoSpaceDocument {
    /// `not-readable`, `not-capable` or `pci-x-unreadable`.
    kind: &'static str,
    readable_bytes: Option<u16>,
    unreadable: Option<Fault>,
}

/// For `serialize_with`.
pub(super) fn end<S: Serializer>(end: &ListEnd<NotDumped>, serializer: S) -> Result<S::Ok, S::Error> {
    EndDocument::of(end).serialize(serializer)
}

/// For `serialize_with`.
pub(super) fn no_extended_space<S: Serializer>(
    reason: &Option<NoExtendedSpace<NotDumped>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let document = reason.as_ref().map(|reason| match reason {
        NoExtendedSpace::NotReadable(size) => NoSpaceDocument {
            kind: "not-readable",
            readable_bytes: Some(size.bytes()),
            unreadable: None,
        },
        NoExtendedSpace::NotCapable => NoSpaceDocument {
            kind: "not-capable",
            readable_bytes: None,
            unreadable: None,
        },
        NoExtendedSpace::PciX(error) => NoSpaceDocument {
            kind: "pci-x-unreadable",
            readable_bytes: None,
            unreadable: Some(Fault::of_view(error)),
        },
    });
    document.serialize(serializer)
}
