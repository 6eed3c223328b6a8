//! Topology judged on machines as they are built, and on sets of functions that no machine has.
//!
//! `oracle` says the same in the plainest way, in quadratic time; the fuzz target `topology` uses
//! it too, with `arbitrary`. `large` is what `cargo xtask bench core` measures.

#[cfg(test)]
mod anomalies;
#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod domains;
#[cfg(test)]
mod fabrics;
#[cfg(test)]
mod large;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod tree;
