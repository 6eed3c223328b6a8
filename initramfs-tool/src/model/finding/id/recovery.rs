//! Findings of a recovery, of quarantine and return to service.

super::findings! {
    ids {}
    ways {}
}
