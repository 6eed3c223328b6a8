//! Findings of the claim: rules, plan, vfio-pci, displays, IOMMU.

super::findings! {
    ids {}
    ways {}
}
