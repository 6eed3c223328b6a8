//! The claims that the operator wants: rules from the rules file and from the kernel command line.
//!
//! Text becomes a [`Rule`] once, here. A rule with an invalid selector stays in the list with its error, so that the
//! report shows it beside the valid rules.

mod command_line;
mod file;
#[cfg(feature = "operator")]
mod recovery_policy;
mod selector;
mod spelling;

pub use command_line::{CommandLine, Switch};
pub use file::{LARGEST as LARGEST_FILE, RulesFileError, parse as parse_file};
#[cfg(feature = "operator")]
pub use recovery_policy::{Contract, FabricStatement, Reboot, Unproven, parse as parse_contract};
pub use selector::{Selector, SelectorError, Term};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::inventory::{FunctionSet, WantedDetails};

/// One request for a claim, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The GPUs to select.
    pub choice: Choice,
    /// The exceptions.
    pub not: Vec<Choice>,
    /// The treatment of the other functions in the IOMMU groups of a selected GPU.
    pub group_peers: GroupPeers,
    /// The functions in these groups that it names; they may be storage, network and USB controllers.
    pub named_peers: Vec<Choice>,
    /// The treatment of the only display.
    pub display: Display,
    /// The functions that form the GPU, if it names them. Others with its device number stay.
    pub functions: Option<FunctionSet>,
}

/// A selector as it was written, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The place of the selector.
    pub source: Source,
    /// The selector as it was written.
    pub text: String,
    /// The parsed selector, or the error.
    pub selector: Result<Selector, SelectorError>,
}

/// The treatment of the other functions in a GPU's IOMMU groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupPeers {
    /// They are left alone and reported.
    #[default]
    Leave,
    /// They are claimed with the GPU, or not at all.
    Claim,
}

/// The treatment of the only display of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Display {
    /// It is refused.
    #[default]
    Keep,
    /// It may be claimed: `force-display`.
    Force,
}

impl Rule {
    /// All selectors of the rule.
    pub fn choices(&self) -> impl Iterator<Item = &Choice> {
        let others = self.not.iter().chain(&self.named_peers);
        std::iter::once(&self.choice).chain(others)
    }

    fn new(source: Source, text: &str) -> Self {
        Self {
            choice: Choice::new(source, text),
            not: Vec::new(),
            group_peers: GroupPeers::default(),
            named_peers: Vec::new(),
            display: Display::default(),
            functions: None,
        }
    }
}

/// The details that rules need.
pub fn wanted_details(rules: &[Rule]) -> WantedDetails {
    let choices = rules.iter().flat_map(Rule::choices);
    let mut named = rules.iter().flat_map(|rule| &rule.named_peers);
    let selectors = choices.filter_map(|choice| choice.selector.as_ref().ok());
    let mut wanted = WantedDetails::default();
    for term in selectors.flat_map(Selector::terms) {
        match term {
            Term::Subsystem(_) => wanted.subsystem = true,
            Term::Path(_) | Term::Slot(_) => wanted.place = true,
            Term::Serial(_) => wanted.serial = true,
            Term::Address(_) | Term::Device(_) | Term::Identity(_) | Term::Gpu => {}
        }
    }
    wanted.of_peers = named.any(|choice| choice.selector.iter().flat_map(Selector::terms).any(Term::is_a_detail));
    wanted
}

impl Choice {
    fn new(source: Source, text: &str) -> Self {
        let text = text.trim();
        Self {
            source,
            text: text.to_owned(),
            selector: text.parse(),
        }
    }
}

/// The place where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// `reseat.claim=` on the kernel command line.
    CommandLine,
    /// A rules file, with the line of the selector (counted from 1).
    File {
        /// The path of the file, as shown to the operator.
        path: String,
        /// The line with the selector.
        line: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => formatter.write_str("kernel command line"),
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
        }
    }
}
