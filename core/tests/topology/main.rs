//! Topologies of realistic machines and of impossible sets of functions.
//!
//! `oracle` computes the same results in the simplest way, in quadratic time; the fuzz target `topology` uses it too,
//! with `arbitrary`. `large` is the input of `cargo xtask bench core`.

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
