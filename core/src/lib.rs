//! PCI configuration space, read raw: the identity of a function, its readiness, its capabilities and their registers.
//!
//! The crate does no I/O, allocates nothing and does not panic. The caller provides a reader of 32-bit registers
//! ([`config::ConfigRead`]); everything else is decoding. Every answer that hardware can give, all-ones included, has a
//! name.
//!
//! | module | content |
//! | --- | --- |
//! | [`address`] | the address of a function: `0000:65:00.0` |
//! | [`config`] | reading and writing configuration space; offsets that are valid by construction |
//! | [`presence`] | absent, not ready, half-initialized or ready, after the link of the port above |
//! | [`header`] | the first 64 bytes: IDs, class, BARs, bus numbers |
//! | [`capability`] | both capability lists, bounded views, the decoders |
//! | [`topology`] | the tree of functions, the available resets, and the functions that each one affects |
//! | [`quirk`] | known properties of single models, as data |
//! | [`vendor`] | the registers behind the BARs that identify a working GPU |
//! | [`health`] | the state of a function compared with its baseline: verified, unverified, sick |
//! | [`decision`] | the rule: chooses the next reset, with reasons for it and against the others |
//! | [`recovery`] | the ladder: observations and time in, actions out, verified or ended |
//! | [`witness`] | marks that show if a reset took place |
//! | [`snapshot`] | the recorded registers of a function, with gaps; comparison of two recordings |
//!
//! # Example
//!
//! Check if a function supports FLR, by its PCI Express capability:
//!
//! ```
//! use reseat_core::capability::express::Express;
//! use reseat_core::capability::list::StandardList;
//! use reseat_core::config::Memory;
//! use reseat_core::header::Header;
//!
//! let mut bytes = [0; 256];
//! bytes[0x00..0x04].copy_from_slice(&[0xde, 0x10, 0x89, 0x24]);
//! bytes[0x06] = 0x10; // Status: there is a capability list …
//! bytes[0x34] = 0x78; // … that begins here
//! bytes[0x78..0x80].copy_from_slice(&[0x10, 0x00, 0x12, 0x00, 0xe1, 0x8d, 0x2c, 0x11]);
//!
//! let mut space = Memory::new(bytes)?;
//! let header = Header::read(&mut space)?;
//! let pointer = header.capability_pointer().ok_or("unknown header layout")?;
//! let list: StandardList<_> = StandardList::read(&mut space, pointer);
//! let mut express = Express::find(&list, &mut space).ok_or("not a PCIe function")?;
//! assert!(express.device_capabilities()?.function_level_reset_capability());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
// Firmware is built with older compilers: `rust-version` is the crate's own.
#![deny(clippy::incompatible_msrv)]
// No answer of the hardware may end the program: no code here may be able to panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod address;
pub mod capability;
pub mod config;
pub mod decision;
pub mod header;
pub mod health;
mod ladder;
pub mod presence;
pub mod quirk;
pub mod recovery;
pub mod snapshot;
#[cfg(feature = "serde")]
mod text;
pub mod topology;
pub mod vendor;
pub mod witness;
