//! Configuration space as users of the crate read it: real bytes, broken lists, arbitrary bytes.
//!
//! The bytes in `tests/fixtures` are our own. `dumps` reads a folder of dumps that is not part of the project:
//! `RESEAT_DUMPS=FOLDER cargo test -p reseat-core -- --include-ignored`.

#[cfg(test)]
mod aer;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hex;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod names;
#[cfg(test)]
mod observing;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod registers;
#[cfg(test)]
#[cfg(feature = "serde")]
mod text;
