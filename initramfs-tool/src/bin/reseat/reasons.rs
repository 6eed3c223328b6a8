//! The findings for which a command fails.

use std::fmt;

use reseat::model::finding::Finding;

use crate::words;

/// An error of findings, for `anyhow`.
#[derive(Debug)]
pub(crate) struct Reasons(pub(crate) Vec<Finding>);

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(words::line).collect();
        f.write_str(&lines.join("; "))
    }
}

impl std::error::Error for Reasons {}
