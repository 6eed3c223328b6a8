//! `reseat decode` beside `lspci -F FILE -vvv`, on dumps of real functions and on broken copies of them.
//!
//! The dumps are not part of the project: `RESEAT_DUMPS=FOLDER cargo test -p reseat --test decode_against_lspci --
//! --include-ignored --nocapture`. What is compared stands in one table, `fields`; what may differ, and why, in
//! `differences`. `lspci` comes with Debian's pciutils.

#[cfg(test)]
mod compare;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod lspci;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod ours;
#[cfg(test)]
mod values;
