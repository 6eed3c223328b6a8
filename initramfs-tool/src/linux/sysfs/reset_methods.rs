//! The choice of reset methods for a function: `reset_method`, since kernel 5.15.

use std::path::Path;

use super::attributes::{self, FileError};

/// The methods that the kernel took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// All of the list.
    All,
    /// These.
    Some(String),
}

/// Writes a list of methods. The kernel refuses a list with one that it would not take now, such as `bus` of a function that has
/// a sibling since: then, all the others. An empty list lets the kernel do no reset.
///
/// # Errors
/// When the kernel takes no list at all.
pub(crate) fn choose(path: &Path, methods: &str) -> Result<Chosen, FileError> {
    let Err(error) = attributes::write(path, methods) else {
        return Ok(Chosen::All);
    };
    let mut taken: Vec<&str> = methods.split_whitespace().collect();
    taken.retain(|method| attributes::write(path, method).is_ok());
    let taken = taken.join(" ");
    match attributes::write(path, &taken) {
        Ok(()) => Ok(Chosen::Some(taken)),
        Err(_) => Err(error),
    }
}
