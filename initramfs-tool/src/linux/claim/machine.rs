//! The machine, gathered for a claim.

use super::{displays, iommu};
use crate::linux::survey::details;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::functions::{self, Listing};
use crate::linux::sysfs::root::Root;
use crate::model::display::Sign;
use crate::model::finding::Finding;
use crate::model::inventory::Details;
use crate::model::iommu::IommuFacts;
use crate::plan::PlanInputs;
use crate::rules::{self, Rule};

/// Everything that rules are held against.
pub(crate) struct Gathered {
    pub listing: Listing,
    details: Details,
    signs: Vec<Sign>,
    iommu: IommuFacts,
    /// `/proc/iomem`.
    pub in_memory: String,
    /// Errors in gathering the details.
    pub problems: Vec<Finding>,
}

/// Gathers the machine, as far as `rules` ask for it.
pub(crate) fn gather(root: &Root, rules: &[Rule], command_line: &str) -> Gathered {
    let listing = functions::list(root);
    // What cannot be read holds no GPU back.
    let in_memory = attributes::read_untrimmed(&root.path("/proc/iomem")).unwrap_or_default();
    let (details, problems) = details::gather(root, &listing.functions, rules::wanted_details(rules));
    Gathered {
        details,
        signs: displays::signs(root, &listing.functions, &in_memory),
        iommu: iommu::gather(root, &listing.functions, command_line),
        listing,
        in_memory,
        problems,
    }
}

impl Gathered {
    pub(crate) fn machine(&self) -> PlanInputs<'_> {
        PlanInputs {
            functions: &self.listing.functions,
            unreadable: &self.listing.unreadable,
            details: &self.details,
            signs: &self.signs,
            iommu: &self.iommu,
        }
    }
}
