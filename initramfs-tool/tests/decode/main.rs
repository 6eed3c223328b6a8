//! `reseat decode` as it is called: on the fixtures of reseat-core, and on what is no dump.

#[cfg(test)]
mod command;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod refusals;
