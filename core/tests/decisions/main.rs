//! The rule, the recovery and their inputs: every branch with its negative.

#[cfg(test)]
mod climbing;
#[cfg(test)]
mod examining;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod proving;
#[cfg(test)]
mod readiness;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod vendor;
#[cfg(test)]
mod world;
